module github.com/gitops-drift/gitops-drift/test/installers/flux

go 1.26.2

require github.com/fluxcd/flux2/v2 v2.9.5
