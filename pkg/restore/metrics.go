package restore

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// metrics label by the kinds and reasons that there are, never by names.
type metrics struct {
	seen, restored, errors, fights *prometheus.CounterVec
	skipped                        *prometheus.CounterVec
	seconds                        prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	byKind := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"group", "kind"})
	}
	m := &metrics{
		seen: byKind("gitops_drift_drift_seen_total",
			"Objects found to differ from what Flux applied, once for each time they drifted. Of objects that are left alone only as far as a local comparison tells."),
		restored: byKind("gitops_drift_restored_total", "Objects put back to what Flux applied."),
		errors:   byKind("gitops_drift_restore_errors_total", "Attempts to put an object back that failed."),
		fights:   byKind("gitops_drift_restore_fights_total", "Restores after which the next one was delayed, because the object keeps being changed."),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gitops_drift_restore_skipped_total",
			Help: "Objects that differ from what Flux applied and were left alone, once for each reason in turn."}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gitops_drift_restore_seconds",
			Help:    "Time from the event that showed an object to differ, or from its release, until it was put back.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300}}),
	}
	for _, c := range []prometheus.Collector{m.seen, m.restored, m.errors, m.fights, m.skipped, m.seconds} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func count(vec *prometheus.CounterVec, key desired.Key) {
	vec.WithLabelValues(key.Group, key.Kind).Inc()
}
