package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
)

// Metrics count what the webhook does.
type Metrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	errors   prometheus.Counter
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
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.errors} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
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
