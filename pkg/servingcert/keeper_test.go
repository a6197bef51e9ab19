package servingcert

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const host = "webhook.flux-system.svc"

var names = []string{"gitops-drift", "gitops-drift-more"}

// world is a cluster whose time is ours. The API server's part is a fake: years cannot be had with a real one. The
// real one's is in test/e2e/chaos.
type world struct {
	t        *testing.T
	clock    *clocktesting.FakePassiveClock
	client   client.Client
	secret   client.ObjectKey
	replicas []*Keeper
}

func newWorld(t *testing.T, replicas int) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakePassiveClock(time.Now()), secret: client.ObjectKey{Namespace: "flux-system", Name: "ca"}}
	builder := fake.NewClientBuilder()
	for _, name := range names {
		builder.WithObjects(&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "edits.gitops-drift.dev", ClientConfig: admissionregistrationv1.WebhookClientConfig{
				Service: &admissionregistrationv1.ServiceReference{Name: "webhook", Namespace: "flux-system"},
			}}},
		})
	}
	w.client = builder.Build()
	for range replicas {
		w.start()
	}
	return w
}

// start adds a replica and has it look once.
func (w *world) start() *Keeper {
	w.t.Helper()
	k := &Keeper{Client: w.client, Secret: w.secret, Configurations: names, Clock: w.clock}
	w.replicas = append(w.replicas, k)
	w.look(k)
	return k
}

// look has a replica look at everything; it returns when that is due again.
func (w *world) look(k *Keeper) time.Time {
	w.t.Helper()
	due, err := k.keep(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return due
}

// trusted tells whether every API server trusts the replica now, whichever configuration it calls for.
func (w *world) trusted(k *Keeper) bool {
	w.t.Helper()
	for _, name := range names {
		if !trusts(w.bundle(name), k.leaf.Leaf, []string{host}, w.clock.Now()) {
			return false
		}
	}
	return true
}

func (w *world) bundle(name string) []byte {
	w.t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := w.client.Get(context.Background(), client.ObjectKey{Name: name}, configuration); err != nil {
		w.t.Fatal(err)
	}
	return configuration.Webhooks[0].ClientConfig.CABundle
}

// change edits the Secret.
func (w *world) change(edit func(*corev1.Secret)) {
	w.t.Helper()
	secret := &corev1.Secret{}
	if err := w.client.Get(context.Background(), w.secret, secret); err != nil {
		w.t.Fatal(err)
	}
	edit(secret)
	if err := w.client.Update(context.Background(), secret); err != nil {
		w.t.Fatal(err)
	}
}

func TestNoHandshakeFailsInThreeYears(t *testing.T) {
	w := newWorld(t, 2)
	end := w.clock.Now().Add(3 * AuthorityLifetime)
	due := map[*Keeper]time.Time{w.replicas[0]: {}, w.replicas[1]: {}}
	authorities, leaves := map[string]bool{}, 0
	for w.clock.Now().Before(end) {
		// The second replica is late by an hour, as one that was away.
		now := due[w.replicas[0]]
		if second := due[w.replicas[1]].Add(time.Hour); second.Before(now) {
			now = second
		}
		if now.After(w.clock.Now()) {
			w.clock.SetTime(now)
		}
		for _, k := range w.replicas {
			if !w.trusted(k) {
				t.Fatalf("a replica is not trusted at %s", w.clock.Now())
			}
			if !due[k].After(w.clock.Now()) {
				before := k.leaf
				if due[k] = w.look(k); k.leaf != before {
					leaves++
				}
				if !w.trusted(k) {
					t.Fatalf("a replica is not trusted after it looked at %s", w.clock.Now())
				}
			}
		}
		authorities[string(w.bundle(names[0]))] = true
	}
	// A year's authority is replaced after eight months, a week's leaf after five days.
	if len(authorities) != 5 || leaves < 2*230 || leaves > 2*240 {
		t.Errorf("%d bundles and %d certificates", len(authorities), leaves)
	}
}

func TestNoHandshakeFailsForAuthoritiesThatAreMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(*world){
		"the Secret is deleted": func(w *world) {
			if err := w.client.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.secret.Namespace, Name: w.secret.Name}}); err != nil {
				w.t.Fatal(err)
			}
		},
		"the Secret is emptied": func(w *world) { w.change(func(s *corev1.Secret) { s.Data = nil }) },
		"the key is cut off": func(w *world) {
			w.change(func(s *corev1.Secret) { s.Data[corev1.TLSPrivateKeyKey] = s.Data[corev1.TLSPrivateKeyKey][:40] })
		},
		"the key is another's":    func(w *world) { w.change(func(s *corev1.Secret) { s.Data[corev1.TLSPrivateKeyKey] = foreignKey(w.t) }) },
		"the certificate is gone": func(w *world) { w.change(func(s *corev1.Secret) { delete(s.Data, corev1.TLSCertKey) }) },
		"the bundle is gone":      func(w *world) { w.change(func(s *corev1.Secret) { delete(s.Data, bundleKey) }) },
		"the bundle is damaged":   func(w *world) { w.change(func(s *corev1.Secret) { s.Data[bundleKey] = s.Data[bundleKey][:100] }) },
		"the bundle has a comment": func(w *world) {
			w.change(func(s *corev1.Secret) { s.Data[bundleKey] = append(s.Data[bundleKey], "# mine"...) })
		},
		"a clock was ahead": func(w *world) {
			ahead := &Keeper{Client: w.client, Secret: w.secret, Configurations: names, Clock: clocktesting.NewFakePassiveClock(w.clock.Now().Add(AuthorityLifetime))}
			w.look(ahead)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			old := w.replicas[0]
			before := w.bundle(names[0])
			damage(w)
			w.clock.SetTime(w.clock.Now().Add(time.Minute))
			next := w.start()
			if bytes.Equal(w.bundle(names[0]), before) {
				t.Error("the authority was not made anew")
			}
			if !w.trusted(old) || !w.trusted(next) {
				t.Errorf("the replica that serves is trusted: %v, the one that starts: %v", w.trusted(old), w.trusted(next))
			}
			after := w.bundle(names[0])
			w.look(old)
			w.look(next)
			if !bytes.Equal(w.bundle(names[0]), after) || !bytes.Equal(w.bundle(names[1]), after) {
				t.Error("the replicas do not agree")
			}
		})
	}
}

func foreignKey(t *testing.T) []byte {
	t.Helper()
	_, key, err := mustAuthority(t, "other", time.Now()).encode()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWhatHasExpiredIsMadeAnew(t *testing.T) {
	w := newWorld(t, 1)
	k := w.replicas[0]
	w.clock.SetTime(w.clock.Now().Add(3 * AuthorityLifetime))
	if w.trusted(k) || k.Ready(nil) == nil {
		t.Fatal("the certificate did not expire")
	}
	// Timers are late after a suspend: what is due is looked at all the same.
	result, err := k.Reconcile(context.Background(), reconcile.Request{})
	if err != nil || result.RequeueAfter > recheck {
		t.Fatalf("%v, looks again after %s", err, result.RequeueAfter)
	}
	if err := k.Ready(nil); err != nil || !w.trusted(k) {
		t.Errorf("ready: %v, trusted: %v", err, w.trusted(k))
	}
	if n := len(parseBundle(w.bundle(names[0]))); n != 2 {
		t.Errorf("%d authorities are trusted", n)
	}
}

func TestAWipedBundleIsPutBack(t *testing.T) {
	w := newWorld(t, 2)
	before := w.bundle(names[1])
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := w.client.Get(context.Background(), client.ObjectKey{Name: names[1]}, configuration); err != nil {
		t.Fatal(err)
	}
	configuration.Webhooks[0].ClientConfig.CABundle = nil
	if err := w.client.Update(context.Background(), configuration); err != nil {
		t.Fatal(err)
	}
	leaf := w.replicas[0].leaf
	w.look(w.replicas[0])
	if !bytes.Equal(w.bundle(names[1]), before) || w.replicas[0].leaf != leaf {
		t.Error("the bundle is another, or the certificate")
	}
}

// TestALeakedAuthorityCanBeDroppedForGood does what docs/security.md says to do after a leak.
func TestALeakedAuthorityCanBeDroppedForGood(t *testing.T) {
	w := newWorld(t, 1)
	k := w.replicas[0]
	leaked := k.leaf.Leaf
	objects := []client.Object{&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.secret.Namespace, Name: w.secret.Name}}}
	var again []*admissionregistrationv1.ValidatingWebhookConfiguration
	for _, name := range names {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := w.client.Get(context.Background(), client.ObjectKey{Name: name}, configuration); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, configuration.DeepCopy())
		configuration.ResourceVersion, configuration.Webhooks[0].ClientConfig.CABundle = "", nil
		again = append(again, configuration)
	}
	for _, object := range objects {
		if err := w.client.Delete(context.Background(), object); err != nil {
			t.Fatal(err)
		}
	}
	w.look(k)
	for _, configuration := range again {
		if err := w.client.Create(context.Background(), configuration); err != nil {
			t.Fatal(err)
		}
	}
	w.look(k)
	if !w.trusted(k) || trusts(w.bundle(names[0]), leaked, []string{host}, w.clock.Now()) {
		t.Errorf("the replica is trusted: %v, or the leaked authority still is", w.trusted(k))
	}
}

func TestReplicasThatStartTogetherShareAnAuthority(t *testing.T) {
	w := newWorld(t, 0)
	k := &Keeper{Client: w.client, Secret: w.secret, Configurations: names, Clock: w.clock}
	// Both read the empty Secret before either fills it.
	first, err := k.secret(context.Background(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: names[0]}})
	if err != nil {
		t.Fatal(err)
	}
	second := first.DeepCopy()
	if _, err := k.replace(context.Background(), first, nil, w.clock.Now(), errTest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.replace(context.Background(), second, nil, w.clock.Now(), errTest{}); err == nil {
		t.Fatal("the second replica overwrote the first one's authority")
	}
	a, b := w.start(), w.start()
	if !slices.Equal(a.leaf.Leaf.AuthorityKeyId, b.leaf.Leaf.AuthorityKeyId) || !w.trusted(a) || !w.trusted(b) {
		t.Error("the replicas do not share an authority")
	}
}

type errTest struct{}

func (errTest) Error() string { return "test" }

func TestNothingIsKeptForConfigurationsThatAreGone(t *testing.T) {
	w := newWorld(t, 1)
	for _, name := range names {
		if err := w.client.Delete(context.Background(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.client.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.secret.Namespace, Name: w.secret.Name}}); err != nil {
		t.Fatal(err)
	}
	if due := w.look(w.replicas[0]); !due.IsZero() {
		t.Errorf("something is due at %s", due)
	}
	if err := w.client.Get(context.Background(), w.secret, &corev1.Secret{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the Secret came back: %v", err)
	}
}
