package sealcheck

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// Check reads, builds and judges the repository that a configuration is of, its files from a source. Only what is in one of the paths is told, files or
// folders below the root, relative to it and slash-separated; without any all is. An error says that nothing could be
// checked.
func Check(ctx context.Context, config *sealconfig.Config, source Source, paths ...string) (*Report, error) {
	repository, err := Read(ctx, config.Root(), source)
	if err != nil {
		return nil, err
	}
	if err := repository.Render(ctx); err != nil {
		return nil, err
	}
	report := &Report{Errors: repository.Errors}
	j := &judge{config: config, keys: map[string]*sealkey.Certificate{}, report: report}
	for _, s := range repository.Sealed {
		choice, err := config.At(s.File)
		if err != nil {
			return nil, err
		}
		j.sealed(s, choice)
		j.renamed(s, choice)
		if within(s.File, paths) {
			report.Sealed++
		}
	}
	for _, secret := range repository.secrets {
		repository.plaintext(secret, report)
	}
	repository.generators(report)
	for _, f := range repository.fluxes {
		if len(f.applied) == 0 {
			continue
		}
		if within(f.file, paths) {
			report.Kustomizations++
		}
		if why := sealhealth.Unnoticed(f.object, f.applied); why != "" {
			report.Findings = append(report.Findings, Finding{
				Kind: Unnoticed, File: f.file, Line: f.line, Object: "Kustomization " + f.name(),
				Message: fmt.Sprintf("Flux does not notice if its SealedSecrets do not open: %s", why), Advice: sealhealth.Advice,
			})
		}
	}
	report.only(paths)
	report.sort()
	return report, nil
}

// only leaves what is in one of the paths.
func (r *Report) only(paths []string) {
	var findings []Finding
	for _, f := range r.Findings {
		if within(f.File, paths) {
			findings = append(findings, f)
		}
	}
	var errors []Error
	for _, e := range r.Errors {
		if e.File == sealconfig.FileName || within(e.File, paths) {
			errors = append(errors, e)
		}
	}
	r.Findings, r.Errors = findings, errors
}

func within(file string, paths []string) bool {
	for _, p := range paths {
		if p = path.Clean(p); p == "." || p == file || strings.HasPrefix(file, p+"/") {
			return true
		}
	}
	return len(paths) == 0
}
