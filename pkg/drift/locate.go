package drift

import (
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// locate fills in where git sets what was found about one object.
func locate(found []Finding, state *desired.State, want desired.Object) {
	if len(found) == 0 {
		return
	}
	set := state.Fields(want)
	for i := range found {
		f := &found[i]
		switch {
		case f.Path == nil:
			f.Origin = set.Declared()
		case f.Desired == nil: // git does not have the field
			f.Origin = origin.Origin{File: set.Declared().File}
		default:
			f.Origin = set.Differing(f.Path, f.Live)
		}
	}
}
