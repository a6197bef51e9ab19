package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/gitops-drift/gitops-drift/pkg/notify"
	"github.com/gitops-drift/gitops-drift/pkg/servingcert"
)

// defaultConfigurations are those of manifests/webhook and manifests/components/fail.
var defaultConfigurations = []string{"gitops-drift", "gitops-drift-fail-open"}

// minCertLifetime leaves time to replace a certificate before it ends.
const minCertLifetime = 10 * time.Second

// options are the controller's flags.
type options struct {
	fluxNamespace         string
	fluxControllers       controllerList
	withoutFlux           bool
	namespace             string
	serviceAccount        string
	overrideManagers      stringList
	defaultServiceAccount string
	configurations        stringList
	caSecret              string
	caLifetime            time.Duration
	certLifetime          time.Duration
	webhookPort           int
	metricsAddress        string
	healthAddress         string
	leaderElect           bool
	shutdownDelay         time.Duration
	drainTimeout          time.Duration
	recordRetention       time.Duration
	recordLimit           int
	breakGlassRetention   time.Duration
	eventsAddress         string
	version               bool
	zap                   zap.Options
}

// stringList is a flag that may be given several times.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

func (l *stringList) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// controllerList is a flag that may be given several times: NAME or NAMESPACE/NAME.
type controllerList []types.NamespacedName

func (l *controllerList) String() string {
	var out []string
	for _, c := range *l {
		out = append(out, strings.TrimPrefix(c.String(), "/"))
	}
	return strings.Join(out, ",")
}

func (l *controllerList) Set(value string) error {
	namespace, name, qualified := strings.Cut(value, "/")
	if !qualified {
		namespace, name = "", value
	}
	if name == "" || qualified && namespace == "" || strings.Contains(name, "/") {
		return fmt.Errorf("%q must be NAME or NAMESPACE/NAME", value)
	}
	*l = append(*l, types.NamespacedName{Namespace: namespace, Name: name})
	return nil
}

// flags are those that fill o.
func (o *options) flags(program string) *flag.FlagSet {
	set := flag.NewFlagSet(program, flag.ContinueOnError)
	set.StringVar(&o.fluxNamespace, "flux-namespace", "flux-system", "Namespace that Flux's controllers run in.")
	set.Var(&o.fluxControllers, "flux-controller", "Controller of Flux under another name than the usual: NAME, in --flux-namespace, or NAMESPACE/NAME. It is the name of its service account, or of the Deployment or StatefulSet that runs as a usual one. May be repeated.")
	set.BoolVar(&o.withoutFlux, "without-flux", false, "Flux does not run in this cluster but applies to it from another one (hub and spoke): its kinds need not be installed, and EditPolicies name its identities. Nothing is restored here.")
	set.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "Namespace that this controller runs in; default $POD_NAMESPACE.")
	set.StringVar(&o.serviceAccount, "service-account", "gitops-drift", "Service account, and Deployment, that this controller runs as.")
	set.Var(&o.overrideManagers, "override-manager", "Field manager that kustomize-controller takes over from too; give the same as to kustomize-controller. May be repeated.")
	set.StringVar(&o.defaultServiceAccount, "default-service-account", "", "Service account with which Flux applies for Kustomizations and HelmReleases that name none, in their namespace; give the same as to Flux's controllers.")
	set.Var(&o.configurations, "webhook-configuration", "ValidatingWebhookConfiguration whose caBundle is kept and that says under which names the API server calls, if it exists. May be repeated; default "+strings.Join(defaultConfigurations, " and ")+".")
	set.StringVar(&o.caSecret, "ca-secret", "gitops-drift-webhook-ca", "Secret, in this controller's namespace, that keeps the webhook's certificate authority.")
	set.DurationVar(&o.caLifetime, "ca-lifetime", servingcert.AuthorityLifetime, "How long the webhook's certificate authority is valid; it is replaced after two thirds of this.")
	set.DurationVar(&o.certLifetime, "certificate-lifetime", servingcert.CertificateLifetime, "How long each replica's serving certificate is valid; it is replaced after two thirds of this.")
	set.IntVar(&o.webhookPort, "webhook-port", 9443, "Port that the webhook listens on.")
	set.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "Address that serves metrics; 0 for none.")
	set.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address that serves /healthz and /readyz.")
	set.BoolVar(&o.leaderElect, "leader-elect", true, "Elect a leader among the replicas; without it this one leads.")
	set.DurationVar(&o.shutdownDelay, "shutdown-delay", 5*time.Second, "How long to keep serving, at least, after turning unready, so that the API server calls other replicas first.")
	set.DurationVar(&o.drainTimeout, "drain-timeout", clientIdle+5*time.Second, "How long to keep serving, at most, until the API server has given up its connections; it keeps those that it does not use for "+clientIdle.String()+".")
	set.DurationVar(&o.recordRetention, "record-retention", 30*24*time.Hour, "How long an EditRecord is kept after the last edit that it counts.")
	set.IntVar(&o.recordLimit, "record-limit", 10_000, "How many EditRecords are kept; beyond it, the user with most of them loses the oldest.")
	set.DurationVar(&o.breakGlassRetention, "break-glass-retention", 90*24*time.Hour, "How long a BreakGlass is kept after its end, with what differed from git then; of those that are over no more than --record-limit are kept.")
	set.StringVar(&o.eventsAddress, "events-addr", "", "Address of Flux's notification-controller, which then is told of edits, such as http://notification-controller.flux-system.svc.cluster.local./; default: it is not told.")
	set.BoolVar(&o.version, "version", false, "Print the version and exit.")
	o.zap.BindFlags(set)
	return set
}

// parse reads the arguments. Its error has been or, for what the flag package does not check, is for the user.
func parse(program string, args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	set := o.flags(program)
	set.SetOutput(stderr)
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case o.version:
		return o, nil
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see --help", set.Arg(0))
	case o.namespace == "":
		return nil, fmt.Errorf("the namespace of this controller is not known: set --namespace or POD_NAMESPACE")
	case o.certLifetime < minCertLifetime || o.caLifetime < 3*o.certLifetime:
		return nil, fmt.Errorf("--certificate-lifetime is %s and --ca-lifetime %s: they must be at least %s, and three times as long as the certificate's", o.certLifetime, o.caLifetime, minCertLifetime)
	case o.shutdownDelay < 0 || o.drainTimeout < 0:
		return nil, fmt.Errorf("--shutdown-delay is %s and --drain-timeout %s: neither can be negative", o.shutdownDelay, o.drainTimeout)
	case o.recordRetention <= 0:
		return nil, fmt.Errorf("--record-retention is %s: it must be more than 0", o.recordRetention)
	case o.breakGlassRetention <= 0:
		return nil, fmt.Errorf("--break-glass-retention is %s: it must be more than 0", o.breakGlassRetention)
	case o.recordLimit <= 0:
		return nil, fmt.Errorf("--record-limit is %d: it must be more than 0", o.recordLimit)
	}
	if o.eventsAddress != "" {
		if err := notify.CheckAddress(o.eventsAddress); err != nil {
			return nil, fmt.Errorf("--events-addr: %w", err)
		}
	}
	if len(o.configurations) == 0 {
		o.configurations = defaultConfigurations
	}
	for i := range o.fluxControllers {
		o.fluxControllers[i].Namespace = cmp.Or(o.fluxControllers[i].Namespace, o.fluxNamespace)
	}
	return o, nil
}
