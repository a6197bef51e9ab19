#!/bin/sh
# Writes Flux's CustomResourceDefinitions into this folder: kustomize-controller's and source-controller's as
# they publish them, helm-controller's from its API module (the controller itself is not on the Go proxy). Into
# sealed-secrets/ goes that of SealedSecrets, as its chart has it.
set -eu
cd "$(dirname "$0")"

published() { # module@version [folder of the module [folder here]]
    dir=$(go mod download -json "$1" | sed -n 's/^.*"Dir": "\(.*\)",$/\1/p')
    cp "$dir/${2:-config/crd/bases}"/*.yaml "${3:-.}"
}
rm -f ./*.yaml sealed-secrets/*.yaml
published github.com/fluxcd/kustomize-controller@v1.9.5
published github.com/fluxcd/source-controller@v1.9.6
published github.com/bitnami-labs/sealed-secrets@v0.36.6 helm/sealed-secrets/crds sealed-secrets
go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.1 \
    crd paths=github.com/fluxcd/helm-controller/api/v2 output:crd:dir=.
chmod 644 ./*.yaml sealed-secrets/*.yaml
