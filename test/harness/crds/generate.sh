#!/bin/sh
# Writes Flux's CustomResourceDefinitions into this folder: kustomize-controller's and source-controller's as
# they publish them, helm-controller's from its API module (the controller itself is not on the Go proxy).
set -eu
cd "$(dirname "$0")"

published() { # module@version
    dir=$(go mod download -json "$1" | sed -n 's/^.*"Dir": "\(.*\)",$/\1/p')
    cp "$dir"/config/crd/bases/*.yaml .
}
rm -f ./*.yaml
published github.com/fluxcd/kustomize-controller@v1.9.5
published github.com/fluxcd/source-controller@v1.9.6
go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.1 \
    crd paths=github.com/fluxcd/helm-controller/api/v2 output:crd:dir=.
chmod 644 ./*.yaml
