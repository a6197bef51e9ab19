package sealfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// Opener is who has keys: a cluster's [Controller], or [Keys].
type Opener interface {
	// Opens reports whether all of a SealedSecret opens as the Secret that its name, namespace and annotations say. An error
	// says that nobody could tell.
	Opens(ctx context.Context, sealed *v1alpha1.SealedSecret) (bool, error)
}

// Keys are private keys at hand.
type Keys sealkey.Keyring

// Opens opens as the controller does, by its own code, template included. The values are dropped.
func (k Keys) Opens(_ context.Context, sealed *v1alpha1.SealedSecret) (bool, error) {
	_, err := sealed.Unseal(scheme.Codecs, k)
	return err == nil, nil // the error names items, and why says more
}

// Subject is a SealedSecret to be opened.
type Subject struct {
	// File and Line say where it is declared.
	File string
	Line int
	// Certificate is the name of the pinned certificate that it is to be sealed with.
	Certificate string
	// Object is as it is in clusters: its name, namespace and annotations are those that Flux applies it with.
	Object *v1alpha1.SealedSecret
}

// Failure is an item that does not open.
type Failure struct {
	// Item is the key of the Secret; empty where it is about all of it.
	Item string
	// Why is as much as could be found out.
	Why Why
	// Message is a sentence without its full stop.
	Message string
}

// Verdict is what became of one subject.
type Verdict struct {
	Subject
	// Failures are the items that do not open; none if all of it does.
	Failures []Failure
}

// SealedWith are the subjects that are to be sealed with a certificate.
func SealedWith(certificate string, subjects []Subject) []Subject {
	var out []Subject
	for _, subject := range subjects {
		if subject.Certificate == certificate {
			out = append(out, subject)
		}
	}
	return out
}

// Verification is what became of subjects.
type Verification struct {
	// Of is how many there are.
	Of int
	// Verdicts are those of the subjects that were verified, in their order.
	Verdicts []Verdict
}

// Verify has an opener open every subject and finds out why one does not. Progress, which may be nil, is told after each.
// When ctx ends, or the opener cannot tell, the verdicts so far are returned with the error.
func Verify(ctx context.Context, opener Opener, subjects []Subject, progress func(done, of int)) (*Verification, error) {
	inquirer := &inquirer{opener: opener, places: places(subjects)}
	verdicts := make([]*Verdict, len(subjects))
	var mu sync.Mutex // guards done, and is held while progress is told
	done := 0
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce(opener))
	for i, subject := range subjects {
		group.Go(func() error {
			if within.Err() != nil {
				return nil // said below
			}
			verdict, err := inquirer.verdict(within, subject)
			if within.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("SealedSecret %s/%s (%s:%d) cannot be verified: %w", subject.Object.Namespace, subject.Object.Name, subject.File, subject.Line, err)
			}
			verdicts[i] = verdict
			mu.Lock()
			defer mu.Unlock()
			if done++; progress != nil {
				progress(done, len(subjects))
			}
			return nil
		})
	}
	err := group.Wait()
	out := &Verification{Of: len(subjects)}
	for _, verdict := range verdicts {
		if verdict != nil {
			out.Verdicts = append(out.Verdicts, *verdict)
		}
	}
	if ctx.Err() != nil {
		return out, fmt.Errorf("%d of %d SealedSecrets were not verified: %w", len(subjects)-len(out.Verdicts), len(subjects), context.Cause(ctx))
	}
	return out, err
}

// atOnce is how many subjects an opener is asked about at a time: keys at hand take a processor each, and a controller answers one
// after the other.
func atOnce(opener Opener) int {
	if _, ok := opener.(Keys); ok {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// verdict has one subject opened.
func (q *inquirer) verdict(ctx context.Context, subject Subject) (*Verdict, error) {
	opened, err := q.opener.Opens(ctx, subject.Object)
	verdict := &Verdict{Subject: subject}
	if err == nil && !opened {
		verdict.Failures, err = q.inquire(ctx, subject.Object)
	}
	return verdict, err
}

// only returns a SealedSecret of some of the items of another, without its template.
func only(sealed *v1alpha1.SealedSecret, items ...string) *v1alpha1.SealedSecret {
	out := &v1alpha1.SealedSecret{TypeMeta: sealed.TypeMeta, ObjectMeta: *sealed.ObjectMeta.DeepCopy()}
	out.Spec.EncryptedData = v1alpha1.SealedSecretEncryptedData{}
	for _, item := range items {
		out.Spec.EncryptedData[item] = sealed.Spec.EncryptedData[item]
	}
	return out
}

// places are the namespaces of all subjects, which one of them may have been sealed for by mistake.
func places(subjects []Subject) []string {
	found := map[string]bool{}
	for _, subject := range subjects {
		found[subject.Object.Namespace] = true
		found[subject.Object.Spec.Template.Namespace] = true
	}
	delete(found, "")
	return slices.Sorted(maps.Keys(found))
}

// errParts is about a controller that got or lost a key meanwhile.
var errParts = errors.New("all of its items open, and it did not; try again")
