package record

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Why edits and records are dropped.
const (
	queueFull = "queue_full"
	refused   = "refused"
	shutdown  = "shutdown"
)

// Metrics count what becomes of edits and their records.
type Metrics struct {
	edits, merged, folded prometheus.Counter
	writes                prometheus.Counter
	errors                prometheus.Counter
	dropped               *prometheus.CounterVec
	queue                 prometheus.Gauge
	stored                prometheus.Gauge
	pruned                prometheus.Counter
}

// NewMetrics registers the metrics of records.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "gitops_drift_records_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		edits:  counter("edits_total", "Edits to be recorded."),
		merged: counter("merged_total", "Edits merged into a record that waited to be written already."),
		folded: counter("folded_total", "Edits folded into a record that stands for others too, because their user makes so many different ones."),
		writes: counter("written_total", "Records written to the API server; one write may stand for many edits."),
		errors: counter("write_errors_total", "Writes of records that failed and are tried again."),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gitops_drift_records_dropped_total",
			Help: "Edits that got no record, by reason."}, []string{"reason"}),
		queue:  gauge("gitops_drift_records_queue_length", "Records that wait to be written."),
		stored: gauge("gitops_drift_records", "Records in the cluster when the leader last pruned them; 0 on other replicas."),
		pruned: counter("pruned_total", "Records removed because of their age or number."),
	}
	for _, reason := range []string{queueFull, refused, shutdown} {
		m.dropped.WithLabelValues(reason)
	}
	for _, c := range []prometheus.Collector{m.edits, m.merged, m.folded, m.writes, m.errors, m.dropped, m.queue, m.stored, m.pruned} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// drop counts edits that get no record.
func (m *Metrics) drop(reason string, edits int64) {
	m.dropped.WithLabelValues(reason).Add(float64(edits))
}
