package restore

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// maxRivals is how many pairs of a rival and a field the metric of fights names; the rest share one.
const maxRivals = 200

// other stands for the rivals that there is no more room for.
const other = "(other)"

// metrics label by the kinds and reasons that there are, never by names of objects. Only fights, which are few, name
// who fights, and their number is bounded.
type metrics struct {
	drifts, restored, errors, fights *prometheus.CounterVec
	held, requests                   *prometheus.CounterVec
	panics                           prometheus.Counter
	seconds                          prometheus.Histogram

	mu     sync.Mutex
	rivals map[rival]struct{}
}

// rival is who keeps changing which field. Both are empty where nobody can tell, as of a deletion.
type rival struct{ manager, field string }

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gitops_drift_restore_" + name, Help: help}, labels)
	}
	m := &metrics{
		drifts: counter("drifts_total",
			"Objects found to differ from what Flux applied, once for each time they drifted. Of objects that are left alone only as far as a local comparison tells.",
			"group", "kind"),
		restored: counter("restored_total", "Objects put back to what Flux applied.", "group", "kind"),
		errors:   counter("errors_total", "Attempts to put an object back that failed.", "group", "kind"),
		fights: counter("fights_total",
			"Restores after which the next one was delayed, because the object keeps being changed: by which field manager, and which field first of all.",
			"group", "kind", "manager", "field"),
		held:     counter("held_total", "Objects that differ from what Flux applied and were left alone, once for each reason in turn.", "reason"),
		requests: counter("requests_total", "Requests to Flux to reconcile an owner, of which an object differs that cannot be put back from here.", "result"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "gitops_drift_restore_panics_total",
			Help: "Objects whose comparison or restore failed by a mistake in the program."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gitops_drift_restore_duration_seconds",
			Help:    "Time from the event that showed an object to differ, or from its release, until it was put back.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300}}),
		rivals: map[rival]struct{}{},
	}
	for _, c := range []prometheus.Collector{m.drifts, m.restored, m.errors, m.fights, m.held, m.requests, m.panics, m.seconds} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// fought counts a restore of a fight.
func (m *metrics) fought(key desired.Key, with rival) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.rivals[with]; !known && len(m.rivals) >= maxRivals {
		with = rival{other, other}
	}
	m.rivals[with] = struct{}{}
	m.fights.WithLabelValues(key.Group, key.Kind, with.manager, with.field).Inc()
}

func count(vec *prometheus.CounterVec, key desired.Key) {
	vec.WithLabelValues(key.Group, key.Kind).Inc()
}
