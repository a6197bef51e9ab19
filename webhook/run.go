package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/follow"
	"github.com/gitops-drift/gitops-drift/pkg/hold"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/pkg/restore"
	"github.com/gitops-drift/gitops-drift/pkg/servingcert"
	"github.com/gitops-drift/gitops-drift/pkg/version"
)

// stopTimeout bounds the shutdown after the connections are drained and before the flush of records. All three must end
// before the Pod's terminationGracePeriodSeconds.
const stopTimeout = 15 * time.Second

// run runs the controller until ctx ends.
func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.UserAgent = "gitops-drift/" + cmp.Or(version.Current().Version, "devel")
	clock := &breakglass.Clock{}
	config.Wrap(clock.Wrap)
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	certificate := &servingcert.Keeper{
		Secret:              client.ObjectKey{Namespace: o.namespace, Name: o.caSecret},
		Configurations:      o.configurations,
		AuthorityLifetime:   o.caLifetime,
		CertificateLifetime: o.certLifetime,
	}
	election, err := newLock(config, o)
	if err != nil {
		return err
	}
	stopTimeout, renewal := stopTimeout, renewal
	managing := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.healthAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionReleaseOnCancel: true,
		RenewDeadline:                 &renewal,
		GracefulShutdownTimeout:       &stopTimeout,
	}
	if election != nil {
		managing.LeaderElectionResourceLockInterface = election
	}
	mgr, err := ctrl.NewManager(config, managing)
	if err != nil {
		return err
	}
	// What is read once, not watched, is asked of the API server by this client.
	direct, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: scheme, Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return err
	}
	certificate.Client = direct
	if err := certificate.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := metrics.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gitops_drift_webhook_certificate_expiry_timestamp_seconds",
		Help: "When this replica's serving certificate ends, in seconds since 1970.",
	}, func() float64 { return float64(certificate.Expiry().Unix()) })); err != nil {
		return err
	}
	if election != nil {
		if err := election.own(ctx, direct, o); err != nil {
			return err
		}
	}
	serving, err := newServer(ctx, o.webhookPort, certificate.Certificate, mgr.GetLogger().WithName("server"))
	if err != nil {
		return err
	}
	recorder, err := newRecorder(mgr, o)
	if err != nil {
		return err
	}
	if err := setUp(ctx, mgr, o, direct, clock, serving.mux, recorder); err != nil {
		return err
	}
	if err := errors.Join(mgr.Add(serving.runnable()), addChecks(mgr, certificate, serving)); err != nil {
		return err
	}
	defer func() {
		// By now the webhook has answered its last request.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		recorder.Flush(ctx)
	}()
	return mgr.Start(serving.drain(ctx, o.shutdownDelay, o.drainTimeout))
}

// setUp adds to the manager what makes up the product.
func setUp(ctx context.Context, mgr manager.Manager, o *options, direct client.Client, clock *breakglass.Clock, mux *http.ServeMux, recorder *record.Recorder) error {
	store := &desired.Store{}
	lookups := &follow.Lookups{Store: store, Cache: mgr.GetCache(), Kustomizations: !o.withoutFlux, Accounts: &follow.Accounts{}}
	var err error
	if lookups.HelmReleases, err = cached(ctx, mgr, o, lookups.Accounts); err != nil {
		return err
	}
	if err := addSurroundings(ctx, mgr, direct, lookups); err != nil {
		return err
	}
	if err := (&policy.Acceptor{Client: mgr.GetClient()}).SetupWithManager(mgr); err != nil {
		return err
	}
	tell, err := addNotifier(mgr, o, recorder.Record)
	if err != nil {
		return err
	}
	glasses := &glasses{direct: direct, lookups: lookups, clock: clock}
	if err := addWebhook(mgr, o, lookups, glasses, mux, tell); err != nil || o.withoutFlux {
		return err
	}
	holds, err := glasses.addHolds(mgr, o)
	if err != nil {
		return err
	}
	builder := desired.NewBuilder(direct, desired.NewClusterFetcher())
	follower := &follow.Follower{Client: mgr.GetClient(), Builder: builder, Store: store}
	if err := follower.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("desired-states", follower.Ready); err != nil {
		return err
	}
	var releases *desired.Store
	if lookups.HelmReleases {
		releases = &desired.Store{}
		if err := (&follow.Releases{Client: mgr.GetClient(), Builder: builder, Store: releases}).SetupWithManager(mgr); err != nil {
			return err
		}
	}
	return addLoop(ctx, mgr, o, store, releases, glasses, holds)
}

// addLoop adds the restore loop, which runs on the leader.
func addLoop(ctx context.Context, mgr manager.Manager, o *options, store, releases *desired.Store, glasses *glasses, holds *hold.Controller) error {
	loop, err := restore.New(restore.Options{
		Config:   mgr.GetConfig(),
		Mapper:   mgr.GetRESTMapper(),
		Owners:   mgr.GetCache(),
		Desired:  store,
		Releases: releases,
		Allowed: func(owner ownership.Owner, object desired.Key) bool {
			p, err := glasses.policy(object, owner)
			return err == nil && p != nil && p.Spec.Restore
		},
		Glass:                 glasses.active,
		Reclaim:               holds.Reclaim,
		Additions:             glasses.additions,
		Metrics:               metrics.Registry,
		Recorder:              mgr.GetEventRecorder("gitops-drift"),
		Log:                   mgr.GetLogger().WithName("restore"),
		OverrideManagers:      o.overrideManagers,
		DefaultServiceAccount: o.defaultServiceAccount,
	})
	if err != nil {
		return err
	}
	policies, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.EditPolicy{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	changed := func(any) { loop.PolicyChanged() }
	if _, err := policies.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, policy any) { changed(policy) }, DeleteFunc: changed,
	}); err != nil {
		return err
	}
	if err := glasses.tell(ctx, mgr, loop); err != nil {
		return err
	}
	namespaces, err := mgr.GetCache().GetInformer(ctx, follow.NewNamespace(), cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	if _, err := namespaces.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if !maps.Equal(labelsOf(before), labelsOf(after)) {
				loop.PolicyChanged()
			}
		},
	}); err != nil {
		return err
	}
	return mgr.Add(loop)
}

// labelsOf returns the labels of an object that an informer holds.
func labelsOf(object any) map[string]string {
	if metadata, ok := object.(client.Object); ok {
		return metadata.GetLabels()
	}
	return nil
}

// cached fills the cache with what is read from it on the path of a request. HelmReleases are optional in Flux; it
// reports whether there are any.
func cached(ctx context.Context, mgr manager.Manager, o *options, accounts *follow.Accounts) (helmReleases bool, err error) {
	kinds := []client.Object{&v1alpha1.EditPolicy{}, &v1alpha1.BreakGlass{}, follow.NewNamespace()}
	if !o.withoutFlux {
		kinds = append(kinds, &kustomizev1.Kustomization{})
	}
	helm := helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind)
	_, err = mgr.GetRESTMapper().RESTMapping(helm.GroupKind(), helm.Version)
	switch {
	case err == nil:
		kinds, helmReleases = append(kinds, &helmv2.HelmRelease{}), true
	case !apimeta.IsNoMatchError(err):
		return false, fmt.Errorf("look for the kind HelmRelease: %w", err)
	}
	for _, kind := range kinds {
		informer, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return false, fmt.Errorf("watch %T: %w; are the CRDs of Flux and gitops-drift installed?", kind, err)
		}
		// Of kinds that are no owners it learns nothing.
		if _, err := informer.AddEventHandler(accounts.Handler()); err != nil {
			return false, fmt.Errorf("learn the service accounts that a %T names: %w", kind, err)
		}
	}
	return helmReleases, nil
}

func addWebhook(mgr manager.Manager, o *options, lookups admission.Lookups, glasses *glasses, mux *http.ServeMux, tell func(v1alpha1.EditRecordSpec)) error {
	instruments, err := admission.NewMetrics(metrics.Registry)
	if err != nil {
		return err
	}
	if err := admission.ExposePolicies(metrics.Registry, lookups.Policies); err != nil {
		return err
	}
	open := admission.Handler{
		Installation: &admission.Installation{
			FluxNamespace:         o.fluxNamespace,
			FluxControllers:       o.fluxControllers,
			DefaultServiceAccount: o.defaultServiceAccount,
			Namespace:             o.namespace,
			ServiceAccount:        o.serviceAccount,
			Takeover:              ownership.Takeover(o.overrideManagers),
		},
		Lookups: lookups,
		KindOf: func(resource schema.GroupVersionResource) (schema.GroupVersionKind, error) {
			return mgr.GetRESTMapper().KindFor(resource)
		},
		Metrics: instruments,
		Log:     mgr.GetLogger().WithName("admission"),
		Record:  tell,
		Now:     glasses.clock.Now,
		Glasses: glasses.fresh,
	}
	closed := open
	closed.FailClosed = true
	mux.Handle(admission.Path, &open)
	mux.Handle(admission.PathFailClosed, &closed)
	return nil
}

// addChecks adds the probes. A replica is ready when the API server can call it and its answers rest on full caches.
func addChecks(mgr manager.Manager, certificate *servingcert.Keeper, serving *server) error {
	synced := &atomic.Bool{}
	if err := mgr.Add(everywhere(func(ctx context.Context) error {
		if mgr.GetCache().WaitForCacheSync(ctx) {
			synced.Store(true)
		}
		return nil
	})); err != nil {
		return err
	}
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("certificate", certificate.Ready),
		mgr.AddReadyzCheck("webhook", serving.ready),
		mgr.AddReadyzCheck("caches", func(*http.Request) error {
			if !synced.Load() {
				return errors.New("EditPolicies and Flux's objects have not been read yet")
			}
			return nil
		}),
	)
}

// everywhere is a Runnable for every replica, leader or not.
type everywhere func(context.Context) error

// Start implements manager.Runnable.
func (f everywhere) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everywhere) NeedLeaderElection() bool { return false }

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, v1alpha1.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme, helmv2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}
