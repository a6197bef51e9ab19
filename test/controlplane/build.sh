#!/bin/sh
# Builds the programs of the control plane into bin/ of the checkout: those named, or all. Needs Go and git.
# A program is built again when its module, the Go version or this script has changed.
# With K8S=1.34.4 the API server and the controller manager of that version go to bin/k8s-1.34.4/, and
# beside them links to all other programs in bin/: a folder for GITOPS_DRIFT_BIN. Its module is made by pin.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/bin

# The caller's settings for other builds must not reach these.
unset GOOS GOARCH
export GOFLAGS= GOWORK=off CGO_ENABLED=0

# version <module directory> <module path>
version() {
    go list -C "$here/$1" -m -f '{{.Version}}' "$2"
}

# build <program> <module directory> <package> <its module> <time from cold on two cores>
build() {
    to=$bin
    case $2 in kubernetes-*) to=$bin/k8s-${2#kubernetes-} ;; esac
    stamp=$to/.stamps/$1
    want=$({ cat "$here/build.sh" "$here/$2/go.mod" "$here/$2/go.sum"; go version; } | git hash-object --stdin)
    if [ -x "$to/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return
    fi
    version=$(version "$2" "$4")
    printf 'Building %s %s: about %s on two cores the first time.\n' "$1" "$version" "$5"
    ldflags='-s -w'
    if [ "$4" = k8s.io/kubernetes ]; then
        release=${version#v}
        minor=${release#*.}
        pkg=k8s.io/component-base/version
        ldflags="$ldflags -X $pkg.gitVersion=$version -X $pkg.gitMajor=${release%%.*} -X $pkg.gitMinor=${minor%%.*} -X $pkg.gitTreeState=clean"
    fi
    if [ "$2" = sealed-secrets ]; then
        ldflags="$ldflags -X main.VERSION=$version"
    fi
    mkdir -p "$to/.stamps"
    new=$to/.new.$1.$$
    go build -C "$here/$2" -mod=readonly -buildvcs=false -trimpath -ldflags "$ldflags" -o "$new" "$3"
    mv "$new" "$to/$1"
    printf '%s\n' "$want" >"$stamp.$$"
    mv "$stamp.$$" "$stamp"
}

trap 'rm -f "$bin"/.new.*.$$ "$bin"/.stamps/*.$$ "$bin"/k8s-*/.new.*.$$ "$bin"/k8s-*/.stamps/*.$$' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

[ $# -gt 0 ] || set -- etcd kube-apiserver kube-controller-manager kubectl kustomize-controller sealed-secrets-controller kubeseal
kubernetes=kubernetes
if [ -n "${K8S:-}" ] && [ "v$K8S" != "$(version kubernetes k8s.io/kubernetes)" ]; then
    kubernetes=kubernetes-$K8S
    if [ ! -d "$here/$kubernetes" ]; then
        echo "$0: Kubernetes $K8S is not pinned here: run test/controlplane/pin.sh $K8S" >&2
        exit 2
    fi
fi
for program in "$@"; do
    case $program in
    etcd) build etcd etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 '1 minute' ;;
    kube-apiserver) build kube-apiserver "$kubernetes" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes '5 minutes' ;;
    kube-controller-manager) build kube-controller-manager "$kubernetes" k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes '2 minutes' ;;
    kubectl) build kubectl kubernetes k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes '1 minute' ;;
    kustomize-controller) build kustomize-controller kustomize-controller github.com/fluxcd/kustomize-controller github.com/fluxcd/kustomize-controller '3 minutes' ;;
    sealed-secrets-controller) build sealed-secrets-controller sealed-secrets github.com/bitnami-labs/sealed-secrets/cmd/controller github.com/bitnami-labs/sealed-secrets '1 minute' ;;
    kubeseal) build kubeseal sealed-secrets github.com/bitnami-labs/sealed-secrets/cmd/kubeseal github.com/bitnami-labs/sealed-secrets 'half a minute' ;;
    *)
        echo "$0: no program called $program" >&2
        exit 2
        ;;
    esac
done

if [ "$kubernetes" != kubernetes ]; then
    for program in "$bin"/*; do
        name=${program##*/}
        [ -d "$program" ] || [ "$name" = kube-apiserver ] || [ "$name" = kube-controller-manager ] ||
            ln -sf "../$name" "$bin/k8s-$K8S/$name"
    done
fi
