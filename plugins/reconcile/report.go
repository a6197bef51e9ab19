package main

import (
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
)

// reconcileReport is the machine-readable outcome, one item an object.
type reconcileReport struct {
	metav1.TypeMeta `json:",inline"`
	Items           []reportItem  `json:"items"`
	Errors          []reportError `json:"errors,omitempty"`
}

type reportItem struct {
	// Cluster is the context; absent where the kubeconfig has none.
	Cluster  string          `json:"cluster,omitempty"`
	Object   reportObject    `json:"object"`
	State    reconcile.State `json:"state"`
	Revision string          `json:"revision,omitempty"`
	// Seconds is the time from the request to its outcome, or to the end of the wait.
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason,omitempty"`
	Message string  `json:"message,omitempty"`
	// Culprits are the objects that keep this one from being ready.
	Culprits []reportCulprit `json:"culprits,omitempty"`
}

type reportObject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type reportCulprit struct {
	Object  reportObject  `json:"object"`
	Reason  string        `json:"reason,omitempty"`
	Message string        `json:"message,omitempty"`
	Events  []reportEvent `json:"events,omitempty"`
}

type reportEvent struct {
	Time    metav1.Time  `json:"time"`
	Type    string       `json:"type"`
	Object  reportObject `json:"object"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
}

// reportError says why a cluster could not be asked.
type reportError struct {
	Cluster string `json:"cluster,omitempty"`
	Message string `json:"message"`
}

func (o *outcomes) report() *reconcileReport {
	out := &reconcileReport{
		TypeMeta: metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "ReconcileReport"},
		Items:    []reportItem{},
	}
	for _, cluster := range o.clusters {
		if cluster.Err != nil {
			for _, err := range parts(cluster.Err) {
				out.Errors = append(out.Errors, reportError{Cluster: cluster.Cluster, Message: err.Error()})
			}
		}
		for _, result := range cluster.Value {
			item := reportItem{
				Cluster: cluster.Cluster, Object: reportObject(result.Object), State: result.State, Revision: result.Revision,
				Seconds: float64(result.Took.Milliseconds()) / 1000, Reason: result.Reason, Message: result.Message,
			}
			for _, c := range result.Culprits {
				culprit := reportCulprit{Object: reportObject(c.Object), Reason: c.Reason, Message: c.Message}
				for _, e := range c.Events {
					culprit.Events = append(culprit.Events, reportEvent{
						Time: metav1.NewTime(e.Time.UTC()), Type: e.Type, Object: reportObject(e.Object), Reason: e.Reason, Message: e.Message,
					})
				}
				item.Culprits = append(item.Culprits, culprit)
			}
			out.Items = append(out.Items, item)
		}
	}
	return out
}

func writeJSON(out io.Writer, report *reconcileReport) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

func writeYAML(out io.Writer, report *reconcileReport) error {
	text, err := yaml.Marshal(report)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err = out.Write(text)
	return err
}
