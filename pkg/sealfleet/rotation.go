package sealfleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Compare tells of a rotation what no cluster shows alone, in the findings of clusters, by their names, that have one certificate
// pinned: which of them have its successor, and whether that is the same in all of them.
func Compare(checkups map[string]Checkup) {
	all := slices.Sorted(maps.Keys(checkups))
	holders := map[string][]string{} // the clusters that have a successor, by its fingerprint
	for _, name := range all {
		for _, f := range checkups[name] {
			if f.State == Pending && f.Topic == TopicKeys {
				holders[f.key] = append(holders[f.key], name)
			}
		}
	}
	brought := maps.Clone(holders)
	for _, name := range all {
		served := checkups[name].about(TopicCertificate)
		if served == nil || served.State != Wrong || brought[served.key] == nil || checkups[name].about(TopicKeys).State != Unknown {
			continue // where the keys are known they say it
		}
		served.State, served.Advice = Pending, ""
		served.Message = fmt.Sprintf("the controller serves %s, which was brought in beside the pinned certificate's key in %s: a rotation is under way", served.key, strings.Join(brought[served.key], ", "))
		holders[served.key] = append(holders[served.key], name)
	}
	for _, name := range all {
		for i := range checkups[name] {
			if f := &checkups[name][i]; f.State == Pending && holders[f.key] != nil {
				f.compare(holders, all)
			}
		}
	}
}

// about returns the first finding about a topic, nil if there is none.
func (c Checkup) about(topic Topic) *Finding {
	if i := slices.IndexFunc(c, func(f Finding) bool { return f.Topic == topic }); i >= 0 {
		return &c[i]
	}
	return nil
}

// compare says of a successor which other clusters have it.
func (f *Finding) compare(holders map[string][]string, all []string) {
	const pin = "pin it: kubectl gitops-seal init --rotate --cert FILE"
	if len(holders) > 1 {
		f.State, f.Advice = Wrong, "choose one of them, and bring that into every cluster"
		f.Message += "; but the clusters have different successors, and what is sealed with one of them does not open everywhere"
		return
	}
	if f.Topic != TopicCertificate {
		return // said there, if it is served
	}
	missing := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(holders[f.key], name) })
	switch {
	case len(missing) > 0:
		f.Advice = "bring it into " + strings.Join(missing, ", ") + ", too; then " + pin
	case len(all) > 1:
		f.Advice = "all clusters that were asked have it; " + pin
	default:
		f.Advice = "when every cluster has it, " + pin
	}
}
