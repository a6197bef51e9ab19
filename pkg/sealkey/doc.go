// Package sealkey is the key that secrets are sealed with: the certificate that is pinned, the private keys that open what was
// sealed, and how both come into clusters. A key is known by its fingerprint, that of the public key, as the Sealed Secrets
// controller and ssh write it; a certificate that is renewed for the same key keeps it.
package sealkey
