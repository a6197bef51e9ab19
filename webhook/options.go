package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// options are the controller's flags.
type options struct {
	fluxNamespace    string
	namespace        string
	serviceAccount   string
	overrideManagers stringList
	configuration    string
	caSecret         string
	failurePolicy    string
	webhookPort      int
	metricsAddress   string
	healthAddress    string
	leaderElect      bool
	shutdownDelay    time.Duration
	version          bool
	zap              zap.Options
}

// stringList is a flag that may be given several times.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

func (l *stringList) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// parse reads the arguments. Its error has been or, for what the flag package does not check, is for the user.
func parse(program string, args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	set := flag.NewFlagSet(program, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.fluxNamespace, "flux-namespace", "flux-system", "Namespace that Flux's controllers run in.")
	set.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "Namespace that this controller runs in; default $POD_NAMESPACE.")
	set.StringVar(&o.serviceAccount, "service-account", "gitops-drift", "Service account, and Deployment, that this controller runs as.")
	set.Var(&o.overrideManagers, "override-manager", "Field manager that kustomize-controller takes over from too; give the same as to kustomize-controller. May be repeated.")
	set.StringVar(&o.configuration, "webhook-configuration", "gitops-drift", "ValidatingWebhookConfiguration whose caBundle is kept and that says under which names the API server calls.")
	set.StringVar(&o.caSecret, "ca-secret", "gitops-drift-webhook-ca", "Secret, in this controller's namespace, that keeps the webhook's certificate authority.")
	set.StringVar(&o.failurePolicy, "failure-policy", string(admissionregistrationv1.Ignore), "What to do with an edit that cannot be judged, as the ValidatingWebhookConfiguration says: Ignore or Fail.")
	set.IntVar(&o.webhookPort, "webhook-port", 9443, "Port that the webhook listens on.")
	set.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "Address that serves metrics; 0 for none.")
	set.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address that serves /healthz and /readyz.")
	set.BoolVar(&o.leaderElect, "leader-elect", true, "Elect a leader among the replicas; without it this one leads.")
	set.DurationVar(&o.shutdownDelay, "shutdown-delay", 5*time.Second, "How long to keep serving after turning unready, so that the API server calls other replicas first.")
	set.BoolVar(&o.version, "version", false, "Print the version and exit.")
	o.zap.BindFlags(set)
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
	case o.failurePolicy != string(admissionregistrationv1.Ignore) && o.failurePolicy != string(admissionregistrationv1.Fail):
		return nil, fmt.Errorf("--failure-policy is %q: it must be Ignore or Fail", o.failurePolicy)
	}
	return o, nil
}
