package helmcontroller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/ssa"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// manager is helm-controller's field manager.
const manager = "helm-controller"

// Charts returns the chart of a name and version, as source-controller would fetch it. The result is not changed.
type Charts func(name, version string) (*chart.Chart, error)

// Controller reconciles HelmReleases when told to. It must not be used concurrently.
type Controller struct {
	charts Charts
	config *rest.Config
	client client.Client
	cache  discovery.CachedDiscoveryInterface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// New returns a controller that writes under the identity in config: that of a Pod of helm-controller.
func New(config *rest.Config, scheme *runtime.Scheme, charts Charts) (*Controller, error) {
	kube.ManagedFieldsManager = manager
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	cache := memory.NewMemCacheClient(d)
	return &Controller{charts: charts, config: config, client: c, cache: cache, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cache)}, nil
}

// ReconcileAll reconciles every HelmRelease of the cluster once, and returns what failed.
func (c *Controller) ReconcileAll(ctx context.Context) error {
	list := &helmv2.HelmReleaseList{}
	if err := c.client.List(ctx, list); err != nil {
		return err
	}
	var failed []error
	for i := range list.Items {
		failed = append(failed, c.Reconcile(ctx, client.ObjectKeyFromObject(&list.Items[i])))
	}
	return errors.Join(failed...)
}

// Reconcile brings one HelmRelease to where its spec wants it, and says so in its status: it installs, upgrades, rolls
// back a failed upgrade, corrects drift, runs the tests, or uninstalls and lets go of what is being deleted. A
// HelmRelease that is gone or suspended is left alone. The error is nil only if the release is as it should be.
func (c *Controller) Reconcile(ctx context.Context, key client.ObjectKey) error {
	hr := &helmv2.HelmRelease{}
	if err := c.client.Get(ctx, key, hr); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !hr.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, hr)
	}
	if !controllerutil.ContainsFinalizer(hr, helmv2.HelmReleaseFinalizer) {
		before := hr.DeepCopy()
		controllerutil.AddFinalizer(hr, helmv2.HelmReleaseFinalizer)
		if err := c.client.Patch(ctx, hr, client.MergeFrom(before), client.FieldOwner(manager)); err != nil {
			return fmt.Errorf("add the finalizer of HelmRelease %s: %w", key, err)
		}
	}
	if hr.Spec.Suspend {
		return nil
	}
	before := hr.DeepCopy()
	apimeta.SetStatusCondition(&hr.Status.Conditions, metav1.Condition{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue,
		Reason: meta.ProgressingReason, Message: "Fulfilling prerequisites", ObservedGeneration: hr.Generation})
	if err := c.writeStatus(ctx, hr, before); err != nil {
		return err
	}
	before = hr.DeepCopy()
	failure := c.release(ctx, hr)
	if failure != nil {
		failure = fmt.Errorf("HelmRelease %s: %w", key, failure)
	}
	summarize(hr, failure)
	return errors.Join(failure, c.writeStatus(ctx, hr, before))
}

func (c *Controller) writeStatus(ctx context.Context, hr, before *helmv2.HelmRelease) error {
	if err := c.client.Status().Patch(ctx, hr, client.MergeFrom(before), client.FieldOwner(manager)); err != nil {
		return fmt.Errorf("write the status of HelmRelease %s: %w", client.ObjectKeyFromObject(hr), err)
	}
	return nil
}

// finalize uninstalls the release, unless it is suspended, and removes chart and finalizer.
func (c *Controller) finalize(ctx context.Context, hr *helmv2.HelmRelease) error {
	if !hr.Spec.Suspend {
		if hr.Status.StorageNamespace != "" {
			helm, err := c.helm(hr, hr.Status.StorageNamespace)
			if err != nil {
				return err
			}
			if err := uninstall(helm, hr); err != nil {
				return fmt.Errorf("HelmRelease %s: %w", client.ObjectKeyFromObject(hr), err)
			}
		}
		if namespace, name := hr.Status.GetHelmChart(); name != "" {
			fetched := &sourcev1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			if err := client.IgnoreNotFound(c.client.Delete(ctx, fetched)); err != nil {
				return err
			}
		}
	}
	before := hr.DeepCopy()
	controllerutil.RemoveFinalizer(hr, helmv2.HelmReleaseFinalizer)
	return client.IgnoreNotFound(c.client.Patch(ctx, hr, client.MergeFrom(before), client.FieldOwner(manager)))
}

// applyChart applies the HelmChart that asks source-controller for the chart.
func (c *Controller) applyChart(ctx context.Context, hr *helmv2.HelmRelease) error {
	template := hr.Spec.Chart
	fetched := &sourcev1.HelmChart{
		TypeMeta:   metav1.TypeMeta{APIVersion: sourcev1.GroupVersion.String(), Kind: sourcev1.HelmChartKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: template.GetNamespace(hr.Namespace), Name: hr.GetHelmChartName()},
		Spec: sourcev1.HelmChartSpec{
			Chart:             template.Spec.Chart,
			Version:           template.Spec.Version,
			SourceRef:         sourcev1.LocalHelmChartSourceReference{Kind: template.Spec.SourceRef.Kind, Name: template.Spec.SourceRef.Name},
			Interval:          template.GetInterval(hr.Spec.Interval),
			ReconcileStrategy: template.Spec.ReconcileStrategy,
			ValuesFiles:       template.Spec.ValuesFiles,
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(fetched)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: content}
	applier := ssa.NewResourceManager(c.client, nil, ssa.Owner{Group: helmv2.GroupVersion.Group, Field: manager})
	applier.SetOwnerLabels([]*unstructured.Unstructured{object}, hr.Name, hr.Namespace)
	if _, err := applier.Apply(ctx, object, ssa.DefaultApplyOptions()); err != nil {
		return fmt.Errorf("apply HelmChart: %w", err)
	}
	hr.Status.HelmChart = client.ObjectKeyFromObject(fetched).String()
	return nil
}

// helm returns the configuration for Helm's actions: releases in Secrets of the namespace, everything done as
// helm-controller or, where the HelmRelease names one, in the name of a service account.
func (c *Controller) helm(hr *helmv2.HelmRelease, namespace string) (*action.Configuration, error) {
	config := rest.CopyConfig(c.config)
	if account := hr.Spec.ServiceAccountName; account != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: strings.Join([]string{"system:serviceaccount", hr.Namespace, account}, ":")}
	}
	helm := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	return helm, helm.Init(&getter{controller: c, config: config, namespace: namespace}, namespace, "secret")
}

// timeout bounds one action of Helm.
func timeout(hr *helmv2.HelmRelease) time.Duration {
	if hr.Spec.Timeout != nil {
		return hr.Spec.Timeout.Duration
	}
	return time.Minute
}
