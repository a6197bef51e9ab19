# The two commands for a newcomer are `make demo` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh

GO ?= go
LDFLAGS := -s -w
# The linters are pinned in a module of their own, so that they do not weigh on the product.
tool = "$$($(GO) -C hack/tools tool -n $(1))"
# Packages that start control planes. They run one after the other, and after the quick ones.
CLUSTER_TESTS := ./pkg/restore/... ./test/...

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the programs of the product into bin/
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/kubectl-gitops_drift ./plugins/drift
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/kubectl-gitops_reconcile ./plugins/reconcile
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/kubectl-gitops_seal ./plugins/seal
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gitops-drift ./webhook

# Where people will get the files of the release from; krew's and Flux's manifests name it. Default: the release on GitHub.
URL ?=

.PHONY: release-snapshot
release-snapshot: ## Make what a release consists of in dist/: archives for all platforms, the image, SBOMs, checksums, manifests
	rm -rf dist
	$(GO) run ./hack/release build -dist dist
	$(GO) run ./hack/release manifests -dist dist $(if $(URL),-url '$(URL)')

.PHONY: controlplane
controlplane: ## Build the real control plane for tests and demo into bin/ (once, about 14 minutes on two cores)
	@test/controlplane/build.sh

.PHONY: installers
installers: ## Build krew and Flux's command line into bin/, which tests install the plugins with (once, about a minute on two cores)
	@test/installers/build.sh

bin/demo: build controlplane
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/demo ./hack/demo
.PHONY: bin/demo

.PHONY: demo
demo: bin/demo ## Play the Sunday night against the real control plane
	@bin/demo run

.PHONY: demo-up
demo-up: bin/demo ## Leave the demo's cluster running and say how to use it
	@bin/demo up

.PHONY: demo-down
demo-down: ## End the demo's cluster
	@if [ -x bin/demo ]; then bin/demo down; else echo "There is no demo cluster: bin/demo was never built."; fi

.PHONY: test
test: build controlplane installers release-snapshot lint ## Run everything that CI runs
	$(GO) test $$($(GO) list ./... | grep -vE '/(pkg/restore|test/.*|test)$$')
	$(GO) test -p 1 -timeout 30m $(CLUSTER_TESTS)

# The newest Kubernetes is the one that everything else is tested on.
K8S ?=
KUBERNETES = $(CURDIR)/bin$(if $(wildcard test/controlplane/kubernetes-$(K8S)),/k8s-$(K8S))

.PHONY: conformance
conformance: build ## Try every way to change or destroy what Flux manages, print the table; K8S=1.34.4 on that Kubernetes
	@K8S=$(K8S) test/controlplane/build.sh
	GITOPS_DRIFT_BIN=$(KUBERNETES) GITOPS_DRIFT_CONFORMANCE=$(KUBERNETES)/conformance.md \
		$(GO) test -count=1 -v -timeout 30m ./test/conformance

.PHONY: lint
lint: ## Check format, vet, staticcheck and golangci-lint
	$(call tool,golangci-lint) run --allow-parallel-runners ./...
	$(call tool,staticcheck) ./...

.PHONY: bench
bench: build controlplane ## Measure what the guard costs an edit, its memory, and how long drift lasts
	$(GO) test -run '^$$' -bench . ./pkg/admission
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./test/bench

FUZZTIME ?= 2m

.PHONY: fuzz
fuzz: ## Fuzz the guard and sealing, each fuzzer for FUZZTIME; the first run builds everything once more
	$(GO) test -run '^$$' -fuzz '^FuzzManagedFields$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/ownership
	$(GO) test -run '^$$' -fuzz '^FuzzEdit$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/admission
	$(GO) test -run '^$$' -fuzz '^FuzzReview$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/admission
	$(GO) test -run '^$$' -fuzz '^FuzzOrigins$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/origin
	$(GO) test -run '^$$' -fuzz '^FuzzEdit$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/yamledit
	$(GO) test -run '^$$' -fuzz '^FuzzManifest$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/sealdoc
	$(GO) test -run '^$$' -fuzz '^FuzzOpen$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/seal
	$(GO) test -run '^$$' -fuzz '^FuzzParseKeys$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/sealkey
	$(GO) test -run '^$$' -fuzz '^FuzzCheck$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 ./pkg/sealcheck

.PHONY: reconciliations
reconciliations: build controlplane ## Prove over 1,000 rounds of changes in git that no write of Flux or the cluster is refused
	RECONCILIATIONS_ROUNDS=$${RECONCILIATIONS_ROUNDS:-1000} RECONCILIATIONS_SEED=$${RECONCILIATIONS_SEED:-$$(date +%s)} $(GO) test -count 1 -v -timeout 4h ./test/e2e/reconciliations

.PHONY: generate
generate: ## Write the generated code and the CRDs again
	$(GO) generate ./...

.PHONY: clean
clean: demo-down ## Remove bin/, the control plane included, and dist/
	rm -rf bin dist
