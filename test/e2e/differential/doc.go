// Package differential holds the test that keeps the drift verdicts honest: edits are made with the real kubectl, the
// drift scan predicts field by field what Flux will do, the real kustomize-controller reconciles, and both are
// compared.
package differential
