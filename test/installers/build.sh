#!/bin/sh
# Builds what people install plugins with, krew and Flux's command line, into bin/ of the checkout. Needs Go and git.
# A program is built again when its module, the Go version or this script has changed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/bin

# The caller's settings for other builds must not reach these.
unset GOOS GOARCH
export GOFLAGS= GOWORK=off CGO_ENABLED=0

# wanted <program> <module directory>: whether it has to be built; then $want is what its stamp will say.
wanted() {
    want=$({ cat "$here/build.sh" "$here/$2/go.mod" "$here/$2/go.sum"; go version; } | git hash-object --stdin)
    ! { [ -x "$bin/$1" ] && [ "$(cat "$bin/.stamps/$1" 2>/dev/null)" = "$want" ]; }
}

# build <program> <directory> <package> <ldflags>
build() {
    mkdir -p "$bin/.stamps"
    new=$bin/.new.$1.$$
    go build -C "$2" -mod=readonly -buildvcs=false -trimpath -ldflags "-s -w $4" -o "$new" "$3"
    mv "$new" "$bin/$1"
    printf '%s\n' "$want" >"$bin/.stamps/$1.$$"
    mv "$bin/.stamps/$1.$$" "$bin/.stamps/$1"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; rm -f "$bin"/.new.*.$$ "$bin"/.stamps/*.$$' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

if wanted kubectl-krew krew; then
    build kubectl-krew "$here/krew" sigs.k8s.io/krew/cmd/krew ''
fi
if wanted validate-krew-manifest krew; then
    build validate-krew-manifest "$here/krew" sigs.k8s.io/krew/cmd/validate-krew-manifest ''
fi
if wanted flux flux; then
    module=github.com/fluxcd/flux2/v2
    go mod download -C "$here/flux" "$module"
    version=$(go list -C "$here/flux" -m -f '{{.Version}}' "$module")
    printf 'Building flux %s: about a minute on two cores the first time.\n' "$version"
    # Flux embeds manifests that its module comes without; nothing here installs Flux with them. Everything else is as published,
    # go.mod and go.sum of Flux included.
    cp -R "$(go list -C "$here/flux" -m -f '{{.Dir}}' "$module")" "$scratch/flux"
    chmod -R u+w "$scratch/flux"
    mkdir "$scratch/flux/cmd/flux/manifests"
    echo '# none' >"$scratch/flux/cmd/flux/manifests/none.yaml"
    build flux "$scratch/flux" ./cmd/flux "-X main.VERSION=${version#v}"
fi
