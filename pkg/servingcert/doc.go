// Package servingcert gives every replica of a webhook its own serving certificate.
//
// The certificate authority is kept in a Secret, which the first replica fills. Each replica signs its own short-lived
// leaf in memory, so no private key of a leaf is ever stored and no replica waits for a mounted Secret. The authority's
// certificates, earlier ones beside the present one, are kept in the caBundles of the
// ValidatingWebhookConfigurations by whichever replica sees that they are missing.
//
// No handshake fails on the way: a new authority is published before it signs, a certificate and an authority are
// replaced when a third of their life is left, and everything that is damaged, deleted or expired is made anew, while
// what the API server trusts at that moment stays trusted.
package servingcert
