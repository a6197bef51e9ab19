package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
)

// looking is how many objects are read at a time.
const looking = 16

// plan is one run of a Request: what it asks for, sources before what consumes them.
type plan struct {
	*Request
	targets []*target
	known   map[Object]*target
	faults  []error

	mu      sync.Mutex // serializes onEvent
	onEvent func(Event)
}

// target is one object to ask for. Its result may be read when done is closed.
type target struct {
	object   Object
	named    bool
	resource dynamic.ResourceInterface
	seen     observed        // before anything was asked for
	standing *SuspendedError // why it is not asked for although it was selected; nil if it is
	revision Revision        // to come to
	source   *target         // what it is fetched from, if that is asked for too
	needs    []*target
	after    []*target // whose outcome is awaited, whatever it is
	done     chan struct{}
	result   Result
}

// plan looks at every object before anything is asked for.
func (r *Request) plan(ctx context.Context) (*plan, error) {
	p := &plan{Request: r, onEvent: r.OnEvent, known: map[Object]*target{}}
	var asked []*target
	for i, object := range slices.Concat(r.Objects, r.Selected) {
		if p.known[object] == nil {
			t := &target{object: object, named: i < len(r.Objects), done: make(chan struct{})}
			p.known[object], asked = t, append(asked, t)
		}
	}
	asked, err := p.look(ctx, asked)
	if err != nil {
		return nil, err
	}
	var sources []*target
	for _, t := range asked {
		if r.WithSource && t.standing == nil {
			sources = append(sources, p.sourcesOf(ctx, t)...)
		}
	}
	p.targets = slices.Concat(sources, asked)
	if len(p.faults) == 0 {
		p.connect()
		p.expect(ctx)
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return p, nil
}

// look reads the objects and returns those to ask for. What is wrong with one of them is a fault; an error is what is wrong
// with the cluster. Of objects that nobody named, those are left out that are gone or going, or that Flux does not reconcile.
func (p *plan) look(ctx context.Context, targets []*target) ([]*target, error) {
	failures := make([]error, len(targets))
	var group errgroup.Group
	group.SetLimit(looking)
	for i, t := range targets {
		group.Go(func() error {
			failures[i] = p.read(ctx, t)
			return nil
		})
	}
	_ = group.Wait() // failures has them
	for _, err := range failures {
		if err != nil && !isObjectFault(err) {
			return nil, err
		}
	}
	var found []*target
	for i, t := range targets {
		gone := apierrors.IsNotFound(failures[i]) || failures[i] == nil && (t.seen.Metadata.DeletionTimestamp != nil || t.seen.static())
		switch {
		case gone && !t.named:
			delete(p.known, t.object)
		case failures[i] != nil:
			p.faults = append(p.faults, failures[i])
		default:
			p.admit(t)
			found = append(found, t)
		}
	}
	return found, nil
}

func (p *plan) read(ctx context.Context, t *target) error {
	mapping, err := p.Mapper.RESTMapping(t.object.groupKind())
	if err != nil {
		return explain("find", t.object, err)
	}
	t.resource = p.Client.Resource(mapping.Resource).Namespace(t.object.Namespace)
	t.seen, err = t.observe(ctx)
	return err
}

// admit makes sure that Flux would act on a request for the object.
func (p *plan) admit(t *target) {
	err := t.seen.standsStill()
	held := (*SuspendedError)(nil)
	switch isHeld := errors.As(err, &held); {
	case err == nil, isHeld && p.Resume:
	case isHeld && !t.named:
		t.standing = held
	default:
		p.faults = append(p.faults, err)
	}
}

// sourcesOf adds what an object is fetched from, and what that is fetched from, the farthest first.
func (p *plan) sourcesOf(ctx context.Context, t *target) []*target {
	object, err := t.seen.source()
	if err != nil && t.named {
		p.faults = append(p.faults, err)
	}
	if object == (Object{}) || p.known[object] != nil {
		return nil
	}
	source := &target{object: object, named: true, done: make(chan struct{})}
	err = p.read(ctx, source)
	if template := t.seen.template(); apierrors.IsNotFound(err) && template != (Object{}) {
		// helm-controller has not made the HelmChart yet.
		if p.known[template] != nil {
			return nil
		}
		source.object = template
		err = p.read(ctx, source)
	}
	if err == nil && source.seen.static() {
		return nil
	}
	if err == nil && (!source.seen.Spec.Suspend || !p.Resume) {
		err = source.seen.standsStill()
	}
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("the source of %s: %w", t.object, err))
		return nil
	}
	p.known[source.object] = source
	return append(p.sourcesOf(ctx, source), source)
}

// connect tells each target what it waits for.
func (p *plan) connect() {
	for _, t := range p.targets {
		if object, err := t.seen.source(); err == nil && p.known[object] != nil {
			t.source = p.known[object]
			t.needs = append(t.needs, t.source)
		} else if template := t.seen.template(); p.known[template] != nil {
			t.needs = append(t.needs, p.known[template])
		}
		for _, object := range t.seen.dependencies() {
			if needed := p.known[object]; needed != nil && !slices.Contains(t.needs, needed) {
				t.needs = append(t.needs, needed)
			}
		}
	}
	for _, t := range p.targets {
		if circle := t.circle(); circle != nil {
			p.faults = append(p.faults, circle)
			return
		}
	}
	for _, t := range p.targets {
		parent := p.known[t.seen.parent()]
		// One that waits for the health of what it applies is ready when that is: asking for both at once does no harm.
		// And a Kustomization that applies itself, or its own source, cannot come first.
		if parent != nil && !parent.seen.Spec.Wait && len(parent.seen.Spec.HealthChecks) == 0 && !parent.reaches(t, map[*target]bool{}) {
			t.after = append(t.after, parent)
		}
	}
}

// reaches reports whether t waits for other.
func (t *target) reaches(other *target, visited map[*target]bool) bool {
	if t == other {
		return true
	}
	if visited[t] {
		return false
	}
	visited[t] = true
	return slices.ContainsFunc(slices.Concat(t.needs, t.after), func(n *target) bool { return n.reaches(other, visited) })
}

// circle is an error if t depends on itself, so that Flux would never apply it.
func (t *target) circle() error {
	for _, n := range t.needs {
		if n.reaches(t, map[*target]bool{}) {
			return &objectError{message: fmt.Sprintf("%s and %s depend on each other, so Flux applies neither of them", t.object, n.object)}
		}
	}
	return nil
}

// expect tells each target which revision it has to come to.
func (p *plan) expect(ctx context.Context) {
	if p.Revision.IsZero() {
		return
	}
	for _, t := range p.targets {
		companion := !slices.Contains(p.Objects, t.object) && !slices.Contains(p.Selected, t.object)
		switch {
		case companion || t.standing != nil: // see below
		case t.object.speaksCommits():
			t.revision = p.Revision
		case p.Revision.digest == "" || strings.Contains(t.seen.revision(), "+"):
			if t.named {
				t.revision = p.Revision
			}
		case t.named:
			p.faults = append(p.faults, &objectError{message: fmt.Sprintf(
				"%s has versions of a chart, not commits like %s; name the Kustomization that applies it, for --revision waits for its HelmReleases too", t.object, p.Revision)})
		}
		if t.object.isKustomization() && t.source != nil {
			t.source.revision = t.revision
		}
	}
	for _, t := range p.targets {
		if err := p.follows(ctx, t); err != nil {
			p.faults = append(p.faults, err)
		}
	}
}

// follows is an error if the revision is the name of a branch: whatever is applied of that is at it.
func (p *plan) follows(ctx context.Context, t *target) error {
	if t.revision.IsZero() || t.revision.digest != "" {
		return nil
	}
	seen := t.seen
	if object, err := seen.source(); err == nil && t.object.isKustomization() {
		source := &target{object: object}
		if err := p.read(ctx, source); err != nil {
			return nil // which commit it is at then comes from the Kustomization alone
		}
		seen = source.seen
	}
	if branch := seen.branch(); branch != "" && sameName(branch, t.revision.name) {
		return &objectError{message: fmt.Sprintf("%s follows branch %s, and any commit may be its last; give the commit instead: --revision $(git rev-parse %s)",
			seen.object, branch, branch)}
	}
	return nil
}

// awaits says what a target waits for before it is asked for; "" for nothing.
func (t *target) awaits() string {
	var names []string
	for _, n := range slices.Concat(t.needs, t.after) {
		names = append(names, n.object.String())
	}
	if len(names) == 0 {
		return ""
	}
	return "for " + strings.Join(names, ", ")
}
