#!/bin/sh
# Writes the module that builds the API server and the controller manager of one more version of Kubernetes:
#   test/controlplane/pin.sh 1.34.4    makes test/controlplane/kubernetes-1.34.4/
# After that `make conformance K8S=1.34.4` works. Run again, it writes the same.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 VERSION, such as 1.34.4" >&2; exit 2; }
version=$1
staging=v0.${version#1.}
export GOFLAGS= GOWORK=off
module=$(cd "$(dirname "$0")" && pwd)/kubernetes-$version
upstream=$(cd / && go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
mkdir -p "$module"
cd "$module"
rm -f go.mod go.sum
{
    echo "module github.com/gitops-drift/gitops-drift/test/controlplane/kubernetes-$version"
    echo
    echo 'go 1.26.0'
    echo
    # The defaults of the Go runtime that this version of Kubernetes is released with.
    sed -n '/^godebug/p' "$upstream"
    echo
    echo '// Kubernetes replaces its staging modules with folders of its own tree; here they are the published modules.'
    echo 'replace ('
    sed -n "s|^[[:space:]]*\(k8s\.io/[a-z-]*\) => \./staging/.*|\1 => \1 $staging|p" "$upstream"
    echo ')'
} >go.mod
go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@v$version" "k8s.io/kubernetes/cmd/kube-controller-manager@v$version"
