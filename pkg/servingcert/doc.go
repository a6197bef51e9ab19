// Package servingcert gives every replica of a webhook its own serving certificate.
//
// The certificate authority is kept in a Secret that the first replica creates. Each replica signs its own short-lived
// leaf in memory, so no private key of a leaf is ever stored and no replica waits for a mounted Secret. The authority's
// certificates, the old beside the new one while both are valid, are kept in the caBundle of the
// ValidatingWebhookConfiguration by whichever replica sees that they are missing.
package servingcert
