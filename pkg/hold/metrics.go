package hold

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what a Controller does.
type Metrics struct {
	held, released, errors prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		held: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitops_drift_holds_total",
			Help: "Objects that Flux was held off, for a BreakGlass.",
		}),
		released: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitops_drift_holds_released_total",
			Help: "Objects that were given back to Flux.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitops_drift_hold_errors_total",
			Help: "Attempts to begin or to end a BreakGlass that failed and are made again.",
		}),
	}
	for _, c := range []prometheus.Collector{m.held, m.released, m.errors} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
