package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// QuoteRelease returns a message of Flux about hr, such as that of its Ready condition, without the values of Secrets
// that it may quote, as Helm and the API server do: those of the Secrets that spec.valuesFrom names, and those in the
// manifests of the releases that Flux made and tried to make. An error says that it cannot be told what these are.
func (b *Builder) QuoteRelease(ctx context.Context, hr *helmv2.HelmRelease, message string) (string, error) {
	hidden := &redact.Values{}
	made := Released(hr)
	first, release := 0, hr.GetReleaseName()
	if made != nil {
		first, release = made.Version, made.Name
	}
	for revision := max(first, 1); revision <= first+1; revision++ {
		record, err := b.record(ctx, hr, release, revision)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		for _, manifest := range append(record.Hooks, record.Manifest) {
			secretCollector{hidden}.text([]byte(manifest), "", false)
		}
		b.hideValues(ctx, hr, record.Config, hidden)
	}
	if !b.hideValues(ctx, hr, nil, hidden) {
		return "", errors.New("a Secret that spec.valuesFrom names cannot be read")
	}
	return hidden.Text(message), nil
}

// hideValues adds the values that the Secrets of spec.valuesFrom hold, and those that stand in their place in config,
// which Flux gave to the chart when the Secrets may have been others. It reports whether all Secrets could be read; where
// one could not, all of config is hidden, because any of it may come from there.
func (b *Builder) hideValues(ctx context.Context, hr *helmv2.HelmRelease, config map[string]any, hidden *redact.Values) bool {
	all := true
	for _, reference := range hr.Spec.ValuesFrom {
		if reference.Kind != "Secret" {
			continue
		}
		var secret corev1.Secret
		err := b.client.Get(ctx, client.ObjectKey{Namespace: hr.Namespace, Name: reference.Name}, &secret)
		content, ok := secret.Data[reference.GetValuesKey()]
		if err != nil || !ok {
			all = all && reference.Optional && (err == nil || apierrors.IsNotFound(err))
			hideLeaves(config, hidden)
			continue
		}
		if reference.TargetPath != "" {
			hidden.Add(string(content))
			top, _, _ := strings.Cut(strings.ReplaceAll(reference.TargetPath, "[", "."), ".")
			hideLeaves(config[top], hidden)
			continue
		}
		var values map[string]any
		if yaml.Unmarshal(content, &values) != nil {
			all = false
			hideLeaves(config, hidden)
			continue
		}
		hideLeaves(values, hidden)
		hideSame(values, config, hidden)
	}
	return all
}

// hideSame hides what is in config where values have something.
func hideSame(values, config any, hidden *redact.Values) {
	from, ok := values.(map[string]any)
	to, isMap := config.(map[string]any)
	if !ok || !isMap {
		hideLeaves(config, hidden)
		return
	}
	for name, value := range from {
		hideSame(value, to[name], hidden)
	}
}

// hideLeaves hides texts and numbers below value. What is true or false, or nothing, is no secret.
func hideLeaves(value any, hidden *redact.Values) {
	switch x := value.(type) {
	case nil, bool:
	case map[string]any:
		for _, inner := range x {
			hideLeaves(inner, hidden)
		}
	case []any:
		for _, inner := range x {
			hideLeaves(inner, hidden)
		}
	case float64:
		hidden.Add(fmt.Sprint(x))
		hidden.Add(fmt.Sprintf("%.f", x)) // as an object has it: 5432000, not 5.432e+06
	default:
		hidden.Add(fmt.Sprint(x))
	}
}
