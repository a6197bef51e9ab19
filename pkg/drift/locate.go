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
		switch found[i].Kind {
		case Missing:
			found[i].Origin = set.Declared()
		case Added:
			found[i].Origin = origin.Origin{File: set.Declared().File}
		default:
			found[i].Origin = set.Origin(found[i].Path)
		}
	}
}
