// Package redact keeps the values of Secrets out of everything that people or files get to see: fields by their path,
// texts by the values that they may quote, and the API server's answers about Secrets.
package redact
