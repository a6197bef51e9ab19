#!/bin/sh
# Builds the programs of the control plane into bin/ of the checkout: those named, or all. Needs Go and git.
# A program is built again when its module, the Go version or this script has changed.
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
    stamp=$bin/.stamps/$1
    want=$({ cat "$here/build.sh" "$here/$2/go.mod" "$here/$2/go.sum"; go version; } | git hash-object --stdin)
    if [ -x "$bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return
    fi
    version=$(version "$2" "$4")
    printf 'Building %s %s: about %s on two cores the first time.\n' "$1" "$version" "$5"
    ldflags='-s -w'
    if [ "$2" = kubernetes ]; then
        release=${version#v}
        minor=${release#*.}
        pkg=k8s.io/component-base/version
        ldflags="$ldflags -X $pkg.gitVersion=$version -X $pkg.gitMajor=${release%%.*} -X $pkg.gitMinor=${minor%%.*} -X $pkg.gitTreeState=clean"
    fi
    mkdir -p "$bin/.stamps"
    go build -C "$here/$2" -mod=readonly -buildvcs=false -trimpath -ldflags "$ldflags" -o "$bin/.new.$1.$$" "$3"
    mv "$bin/.new.$1.$$" "$bin/$1"
    printf '%s\n' "$want" >"$stamp.$$"
    mv "$stamp.$$" "$stamp"
}

trap 'rm -f "$bin"/.new.*.$$ "$bin"/.stamps/*.$$' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

[ $# -gt 0 ] || set -- etcd kube-apiserver kube-controller-manager kubectl kustomize-controller
for program in "$@"; do
    case $program in
    etcd) build etcd etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 '1 minute' ;;
    kube-apiserver) build kube-apiserver kubernetes k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes '5 minutes' ;;
    kube-controller-manager) build kube-controller-manager kubernetes k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes '2 minutes' ;;
    kubectl) build kubectl kubernetes k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes '1 minute' ;;
    kustomize-controller) build kustomize-controller kustomize-controller github.com/fluxcd/kustomize-controller github.com/fluxcd/kustomize-controller '3 minutes' ;;
    *)
        echo "$0: no program called $program" >&2
        exit 2
        ;;
    esac
done
