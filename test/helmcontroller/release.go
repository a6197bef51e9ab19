package helmcontroller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/opencontainers/go-digest"
	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// maxNameLength is the longest name that Helm allows a release.
const maxNameLength = 53

// release does what the state of the release asks for.
func (c *Controller) release(ctx context.Context, hr *helmv2.HelmRelease) error {
	if hr.Spec.Chart == nil {
		return errors.New("spec.chart is not set: nothing else is supported here")
	}
	name := hr.GetReleaseName()
	if len(name) > maxNameLength {
		return fmt.Errorf("release name %q is longer than %d characters", name, maxNameLength)
	}
	if err := c.applyChart(ctx, hr); err != nil {
		return err
	}
	loaded, err := c.charts(hr.Spec.Chart.Spec.Chart, hr.Spec.Chart.Spec.Version)
	if err != nil {
		return err
	}
	if latest := hr.Status.History.Latest(); latest != nil && (latest.Name != name || latest.Namespace != hr.GetReleaseNamespace() ||
		hr.Status.StorageNamespace != hr.GetStorageNamespace()) {
		// The release has moved: the former one goes first.
		former, err := c.helm(hr, hr.Status.StorageNamespace)
		if err != nil {
			return err
		}
		if err := uninstall(former, hr); err != nil {
			return err
		}
		hr.Status.History, hr.Status.Inventory = nil, nil
	}
	hr.Status.StorageNamespace = hr.GetStorageNamespace()
	helm, err := c.helm(hr, hr.Status.StorageNamespace)
	if err != nil {
		return err
	}
	if helmv2.ShouldHandleResetRequest(hr) {
		hr.Status.ClearFailures()
	}
	hr.Status.LastAttemptedGeneration = hr.Generation
	hr.Status.LastAttemptedRevision = loaded.Metadata.Version
	hr.Status.LastAttemptedConfigDigest = valuesDigest(hr.GetValues())
	return c.act(ctx, helm, hr, loaded)
}

// act takes the action that brings the release from its last state to that of the spec.
func (c *Controller) act(ctx context.Context, helm *action.Configuration, hr *helmv2.HelmRelease, loaded *chart.Chart) error {
	last, err := lastRelease(helm, hr.GetReleaseName())
	if err != nil {
		return err
	}
	switch {
	case last == nil || !deployed(helm, hr.GetReleaseName()):
		hr.Status.LastAttemptedReleaseAction = helmv2.ReleaseActionInstall
		err = c.install(ctx, helm, hr, loaded)
	case helmv2.ShouldHandleForceRequest(hr) || outdated(hr, last, loaded):
		hr.Status.LastAttemptedReleaseAction = helmv2.ReleaseActionUpgrade
		if err = c.upgrade(ctx, helm, hr, loaded); err != nil {
			err = errors.Join(err, remedy(helm, hr))
		}
	default:
		return c.correctDrift(ctx, helm, hr, last)
	}
	if err != nil {
		return errors.Join(err, c.observe(helm, hr, loaded))
	}
	if hr.GetTest().Enable {
		if err := test(helm, hr); err != nil {
			return errors.Join(err, c.observe(helm, hr, loaded))
		}
	}
	return c.observe(helm, hr, loaded)
}

// lastRelease returns the newest release in the storage, nil for none.
func lastRelease(helm *action.Configuration, name string) (*release.Release, error) {
	found, err := helm.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the release from the storage: %w", err)
	}
	return typed(found)
}

// deployed reports whether there is a release that an upgrade can start from.
func deployed(helm *action.Configuration, name string) bool {
	_, err := helm.Releases.Deployed(name)
	return err == nil
}

func typed(found any) (*release.Release, error) {
	if r, ok := found.(*release.Release); ok {
		return r, nil
	}
	return nil, fmt.Errorf("the storage holds a release of another kind: %T", found)
}

// outdated reports whether the last release is not that of the spec, or not one that was observed: one that somebody made
// with Helm.
func outdated(hr *helmv2.HelmRelease, last *release.Release, loaded *chart.Chart) bool {
	latest := hr.Status.History.Latest()
	return latest == nil || latest.Digest != observedDigest(last) || last.Info.Status != common.StatusDeployed ||
		last.Chart.Metadata.Name != loaded.Metadata.Name || last.Chart.Metadata.Version != loaded.Metadata.Version ||
		valuesDigest(last.Config) != valuesDigest(hr.GetValues()) ||
		hr.Status.ObservedCommonMetadataDigest != metadataDigest(hr.Spec.CommonMetadata)
}

// valuesDigest is equal for equal values: maps are written in the order of their keys.
func valuesDigest(values map[string]any) string {
	if len(values) == 0 {
		values = nil
	}
	return jsonDigest(values)
}

func metadataDigest(metadata *helmv2.CommonMetadata) string {
	if metadata == nil {
		return ""
	}
	return jsonDigest(metadata)
}

func jsonDigest(v any) string {
	content, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode what was decoded from JSON: %v", err))
	}
	return digest.FromBytes(content).String()
}

func waitStrategy(disabled bool) kube.WaitStrategy {
	if disabled {
		return kube.HookOnlyStrategy
	}
	return kube.StatusWatcherStrategy
}

func (c *Controller) install(ctx context.Context, helm *action.Configuration, hr *helmv2.HelmRelease, loaded *chart.Chart) error {
	run := action.NewInstall(helm)
	run.ForceConflicts = true
	run.ReleaseName = hr.GetReleaseName()
	run.Namespace = hr.GetReleaseNamespace()
	run.CreateNamespace = hr.Spec.TargetNamespace != "" && hr.GetInstall().CreateNamespace
	run.Timeout = timeout(hr)
	run.TakeOwnership = !hr.GetInstall().DisableTakeOwnership
	run.WaitStrategy = waitStrategy(hr.GetInstall().DisableWait)
	run.DisableHooks = hr.GetInstall().DisableHooks
	run.Replace = true
	run.SkipCRDs = true
	run.PostRenderer = originLabels(hr)
	if err := c.applyCRDs(helm, hr, loaded); err != nil {
		return err
	}
	if _, err := run.RunWithContext(ctx, loaded, hr.GetValues()); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}

func (c *Controller) upgrade(ctx context.Context, helm *action.Configuration, hr *helmv2.HelmRelease, loaded *chart.Chart) error {
	run := action.NewUpgrade(helm)
	run.ForceConflicts = true
	run.Namespace = hr.GetReleaseNamespace()
	run.ResetValues = true
	run.MaxHistory = hr.GetMaxHistory()
	run.Timeout = timeout(hr)
	run.TakeOwnership = !hr.GetUpgrade().DisableTakeOwnership
	run.WaitStrategy = waitStrategy(hr.GetUpgrade().DisableWait)
	run.DisableHooks = hr.GetUpgrade().DisableHooks
	run.CleanupOnFail = hr.GetUpgrade().CleanupOnFail
	run.PostRenderer = originLabels(hr)
	if err := c.applyCRDs(helm, hr, loaded); err != nil {
		return err
	}
	if _, err := run.RunWithContext(ctx, hr.GetReleaseName(), loaded, hr.GetValues()); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return nil
}

// applyCRDs applies the CRDs of the chart's crds folder, which Helm itself would only ever create.
func (c *Controller) applyCRDs(helm *action.Configuration, hr *helmv2.HelmRelease, loaded *chart.Chart) error {
	var all kube.ResourceList
	for _, crd := range loaded.CRDObjects() {
		list, err := helm.KubeClient.Build(bytes.NewReader(crd.File.Data), false)
		if err != nil {
			return fmt.Errorf("read CRD %s: %w", crd.Name, err)
		}
		all = append(all, list...)
	}
	if len(all) == 0 {
		return nil
	}
	var present kube.ResourceList
	accessor := apimeta.NewAccessor()
	for _, info := range all {
		labels, err := accessor.Labels(info.Object)
		if err != nil {
			return err
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[helmv2.GroupVersion.Group+"/name"], labels[helmv2.GroupVersion.Group+"/namespace"] = hr.Name, hr.Namespace
		if err := accessor.SetLabels(info.Object, labels); err != nil {
			return err
		}
		if _, err := resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name); err == nil {
			present = append(present, info)
		}
	}
	if _, err := helm.KubeClient.Update(present, all, kube.ClientUpdateOptionServerSideApply(true, true)); err != nil {
		return fmt.Errorf("apply CRDs: %w", err)
	}
	waiter, err := helm.KubeClient.GetWaiter(kube.StatusWatcherStrategy)
	if err != nil {
		return err
	}
	if err := waiter.Wait(all, timeout(hr)); err != nil {
		return fmt.Errorf("wait for CRDs: %w", err)
	}
	c.mapper.Reset() // it does not know the new kinds
	return nil
}

// remedy rolls a failed upgrade back, or uninstalls, as the HelmRelease says; by default it does nothing.
func remedy(helm *action.Configuration, hr *helmv2.HelmRelease) error {
	remediation := hr.GetUpgrade().Remediation
	switch {
	case remediation == nil || remediation.Retries == 0 && !remediation.MustRemediateLastFailure():
		return nil
	case remediation.GetStrategy() == helmv2.UninstallRemediationStrategy:
		return uninstall(helm, hr)
	}
	run := action.NewRollback(helm)
	run.ForceConflicts = true
	run.ServerSideApply = "true"
	run.Timeout = timeout(hr)
	run.WaitStrategy = waitStrategy(hr.GetRollback().DisableWait)
	run.CleanupOnFail = hr.GetRollback().CleanupOnFail
	run.MaxHistory = hr.GetMaxHistory()
	if err := run.Run(hr.GetReleaseName()); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// uninstall removes the release that the status names last; none is fine.
func uninstall(helm *action.Configuration, hr *helmv2.HelmRelease) error {
	latest := hr.Status.History.Latest()
	if latest == nil {
		return nil
	}
	run := action.NewUninstall(helm)
	run.Timeout = timeout(hr)
	run.DisableHooks = hr.GetUninstall().DisableHooks
	run.KeepHistory = hr.GetUninstall().KeepHistory
	run.WaitStrategy = waitStrategy(hr.GetUninstall().DisableWait)
	run.DeletionPropagation = hr.GetUninstall().GetDeletionPropagation()
	if _, err := run.Run(latest.Name); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("uninstall: %w", err)
	}
	return nil
}

// test runs the release's test hooks.
func test(helm *action.Configuration, hr *helmv2.HelmRelease) error {
	run := action.NewReleaseTesting(helm)
	run.Namespace = hr.GetReleaseNamespace()
	run.Timeout = timeout(hr)
	_, shutdown, err := run.Run(hr.GetReleaseName())
	if err = errors.Join(err, shutdown()); err != nil {
		return fmt.Errorf("test: %w", err)
	}
	return nil
}
