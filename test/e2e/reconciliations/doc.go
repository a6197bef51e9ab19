// Package reconciliations holds the test that our webhook never refuses a write of Flux or of the cluster's controllers: a
// platform team and its tenants change what they have in git at random, the real kustomize-controller and a stand-in for
// helm-controller reconcile it, the real kube-controller-manager scales, rolls, finishes and collects what it leads to,
// while edits of managed objects are refused. RECONCILIATIONS_ROUNDS says for how many rounds, RECONCILIATIONS_SEED
// repeats a run as far as chance allows.
package reconciliations
