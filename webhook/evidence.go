package main

import (
	"errors"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/notify"
	"github.com/gitops-drift/gitops-drift/pkg/record"
)

const (
	// flushTimeout is how long records of edits may take to be written once nothing is served any more. With the shutdown
	// delay and the manager's own time it stays below the Pod's grace period.
	flushTimeout = 5 * time.Second
	// pruneEvery is the time between two looks for old records.
	pruneEvery = 5 * time.Minute
	// recordQPS and recordBurst bound the requests for records, two a write.
	recordQPS, recordBurst = 50, 100
)

// newRecorder adds the recorder of edits, and what removes old records on the leader. It is flushed by whoever calls.
func newRecorder(mgr manager.Manager, o *options) (*record.Recorder, error) {
	instruments, err := record.NewMetrics(metrics.Registry)
	if err != nil {
		return nil, err
	}
	// Nobody else waits behind the recorder's requests, nor it behind theirs.
	config := rest.CopyConfig(mgr.GetConfig())
	config.QPS, config.Burst = recordQPS, recordBurst
	direct, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, err
	}
	log := mgr.GetLogger().WithName("record")
	recorder := record.NewRecorder(direct, instruments, log)
	return recorder, errors.Join(mgr.Add(recorder), mgr.Add(&record.Pruner{
		Client: direct, Metrics: instruments, Log: log, Retention: o.recordRetention, Limit: o.recordLimit, Every: pruneEvery,
	}))
}

// addNotifier adds what tells the notification-controller of edits, if it shall be told, and returns what
// takes edits: keep, and the notifier.
func addNotifier(mgr manager.Manager, o *options, keep func(v1alpha1.EditRecordSpec)) (func(v1alpha1.EditRecordSpec), error) {
	if o.eventsAddress == "" {
		return keep, nil
	}
	notifier, err := notify.New(o.eventsAddress, metrics.Registry, mgr.GetLogger().WithName("notify"))
	if err != nil {
		return nil, err
	}
	return func(edit v1alpha1.EditRecordSpec) {
		notifier.Notify(edit)
		keep(edit)
	}, mgr.Add(notifier)
}
