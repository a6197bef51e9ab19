package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// Metrics count what the webhook does.
type Metrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	errors   prometheus.Counter
	looks    *prometheus.CounterVec
}

// NewMetrics registers the webhook's metrics.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitops_drift_admission_requests_total",
			Help: "Admission requests by decision, operation and whether they were dry-runs.",
		}, []string{"decision", "operation", "dry_run"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gitops_drift_admission_duration_seconds",
			Help:    "Time from a decoded admission review to its verdict.",
			Buckets: prometheus.ExponentialBuckets(25e-6, 2, 16),
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitops_drift_admission_errors_total",
			Help: "Admission requests that could not be judged because of an internal error.",
		}),
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitops_drift_admission_glass_looks_total",
			Help: "Looks at the API server, before a refusal, for a BreakGlass that was just opened: found, none or error.",
		}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.errors, m.looks} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ExposePolicies registers a gauge of the EditPolicies by action; list is called whenever metrics are read.
func ExposePolicies(registry prometheus.Registerer, list func() ([]v1alpha1.EditPolicy, error)) error {
	return registry.Register(&policies{
		list: list,
		desc: prometheus.NewDesc("gitops_drift_policies", "EditPolicies by action.", []string{"action"}, nil),
	})
}

type policies struct {
	list func() ([]v1alpha1.EditPolicy, error)
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p *policies) Describe(descs chan<- *prometheus.Desc) { descs <- p.desc }

// Collect implements prometheus.Collector. Where the policies are not known yet there is no gauge.
func (p *policies) Collect(metrics chan<- prometheus.Metric) {
	list, err := p.list()
	if err != nil {
		return
	}
	counts := map[v1alpha1.Action]int{v1alpha1.Deny: 0, v1alpha1.Warn: 0, v1alpha1.Record: 0}
	for _, policy := range list {
		counts[policy.Spec.Action]++
	}
	for action, n := range counts {
		metrics <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, float64(n), string(action))
	}
}

func (m *Metrics) observe(decision Decision, operation admissionv1.Operation, dryRun bool, took time.Duration) {
	label := "false"
	if dryRun {
		label = "true"
	}
	m.requests.WithLabelValues(string(decision), string(operation), label).Inc()
	m.duration.Observe(took.Seconds())
	if decision == Unjudged {
		m.errors.Inc()
	}
}
