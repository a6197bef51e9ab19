package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// verdict is the exit code: what could not be checked weighs more than drift.
func (f *findings) verdict() error {
	if troubles := f.troubles(); len(troubles) > 0 {
		return errors.Join(troubles...)
	}
	if report.Count(f.scans...).Findings > 0 {
		return &cli.ExitError{Code: cli.CodeIncomplete}
	}
	return nil
}

// troubles has an error for each cause that kept something from being checked.
func (f *findings) troubles() []error {
	var out []error
	unread := false
	for _, scan := range f.scans {
		prefix := ""
		if len(f.scans) > 1 {
			prefix = scan.Cluster + ": "
		}
		if scan.Err != nil {
			unread = true
			out = append(out, fmt.Errorf("%s%w", prefix, scan.Err))
		}
		if scan.Value == nil {
			continue
		}
		var owners, objects causes
		for _, owner := range scan.Value.Owners {
			if owner.Err != nil {
				unread = true
				owners.add(owner.Owner.String(), owner.Owner.Name, owner.Err)
			}
			for _, e := range owner.Unproven {
				objects.add(fmt.Sprintf("%s of %s", e.Object, owner.Owner), e.Object.Name, e.Err)
			}
		}
		out = append(out, owners.errors(prefix, "owner")...)
		out = append(out, objects.errors(prefix, "object")...)
	}
	if !unread && !f.question.status { // else what could not be read may manage it
		out = append(out, f.nowhere()...)
	}
	return out
}

// nowhere keeps a typo from reading as "in sync": it has an error for each wanted object that no owner has in any
// cluster, and one if nothing was there to compare at all.
func (f *findings) nowhere() []error {
	where := in(f.namespace)
	if len(f.scans) > 1 {
		where += fmt.Sprintf(" in any of %d clusters", len(f.scans))
	}
	var out []error
	for _, w := range f.question.wanted {
		absent := true
		for _, unmet := range f.unmet {
			absent = absent && slices.Contains(unmet, w)
		}
		if absent {
			out = append(out, fmt.Errorf("%s%s is managed by no Kustomization, so it was not compared", w, where))
		}
	}
	if count := report.Count(f.scans...); len(f.question.wanted) == 0 && count.Checked+count.Failed+count.Findings == 0 {
		out = append(out, fmt.Errorf("no Kustomization manages anything%s, so nothing was compared", where))
	}
	return out
}

// causes groups what could not be checked by the reason.
type causes struct {
	order []string
	by    map[string]*cause
}

type cause struct {
	first string
	err   error
	more  int
}

// add notes that subject, whose name is name, could not be checked. Reasons that differ only in that name are equal.
func (c *causes) add(subject, name string, err error) {
	key := strings.ReplaceAll(err.Error(), fmt.Sprintf("%q", name), "…")
	if known := c.by[key]; known != nil {
		known.more++
		return
	}
	if c.by == nil {
		c.by = map[string]*cause{}
	}
	c.by[key] = &cause{first: subject, err: err}
	c.order = append(c.order, key)
}

// errors has one error for each cause; noun is what the subjects are.
func (c *causes) errors(prefix, noun string) []error {
	var out []error
	for _, key := range c.order {
		cause := c.by[key]
		subject := cause.first
		switch {
		case cause.more == 1:
			subject += " and 1 more " + noun
		case cause.more > 1:
			subject += fmt.Sprintf(" and %d more %ss", cause.more, noun)
		}
		out = append(out, fmt.Errorf("%s%s: %w", prefix, subject, cause.err))
	}
	return out
}
