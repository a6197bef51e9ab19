// Package seal seals and opens the items of a SealedSecret. Whoever has a certificate can seal; the sealed item opens only
// with the private key, and only as the Secret that it was sealed for, as far as its scope says: that name in that namespace
// (strict), that namespace, or the whole cluster. Which key of the Secret an item is, is not bound, nor can the key that it was
// sealed with be read from it; this is why sealing leaves the certificate's fingerprint in an annotation.
//
// All cryptography is that of github.com/bitnami-labs/sealed-secrets.
package seal
