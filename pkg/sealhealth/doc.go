// Package sealhealth tells whether Flux notices a SealedSecret that cannot be opened. Left to itself it does not: it applies
// the SealedSecret, calls it healthy whatever its conditions say, and the Kustomization is Ready while Pods wait for a
// Secret, or run with an old one. Health check expressions change that, where health is checked at all.
package sealhealth
