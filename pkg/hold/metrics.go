package hold

import (
	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// Metrics count what a Controller does.
type Metrics struct {
	held, released, errors prometheus.Counter
}

// NewMetrics registers them, and a gauge of the objects that Flux is held off by what list returns, which is called whenever metrics
// are read.
func NewMetrics(registry prometheus.Registerer, list func() ([]v1alpha1.BreakGlass, error)) (*Metrics, error) {
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
	active := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gitops_drift_holds_active",
		Help: "Objects that Flux is held off now, for a BreakGlass. Every replica has the same number.",
	}, func() float64 {
		glasses, err := list()
		if err != nil { // Before the first list there are none.
			return 0
		}
		return float64(len(heldNow(glasses)))
	})
	for _, c := range []prometheus.Collector{m.held, m.released, m.errors, active} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// heldNow are the objects of BreakGlasses that hold Flux off.
func heldNow(glasses []v1alpha1.BreakGlass) map[desired.Key]struct{} {
	held := map[desired.Key]struct{}{}
	for i := range glasses {
		if g := &glasses[i]; apimeta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.ConditionHeld) {
			held[breakglass.Object(g)] = struct{}{}
		}
	}
	return held
}
