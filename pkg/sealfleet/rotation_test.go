package sealfleet

import (
	"strings"
	"testing"
)

func TestARotationIsComparedAcrossClusters(t *testing.T) {
	serves := func(state State, key string) Finding {
		return Finding{Topic: TopicCertificate, State: state, key: key, Message: "the controller serves " + key}
	}
	holds := func(state State, key string) Finding {
		return Finding{Topic: TopicKeys, State: state, key: key, Message: "it holds " + key}
	}
	sound, unknown := Finding{Topic: TopicCertificate, State: Sound, key: "pinned"}, Finding{Topic: TopicKeys, State: Unknown}
	for name, test := range map[string]struct {
		eu, us Checkup
		want   string // state and advice of the first finding of prod-eu
	}{
		"no rotation":          {eu: Checkup{sound}, us: Checkup{sound}, want: "ok "},
		"one has it":           {eu: Checkup{serves(Pending, "new"), holds(Pending, "new")}, us: Checkup{sound}, want: "pending bring it into prod-us, too; then pin it: "},
		"all have it":          {eu: Checkup{serves(Pending, "new"), holds(Pending, "new")}, us: Checkup{serves(Pending, "new"), holds(Pending, "new")}, want: "pending all clusters that were asked have it; pin it: "},
		"only one was asked":   {eu: Checkup{serves(Pending, "new"), holds(Pending, "new")}, want: "pending when every cluster has it, pin it: "},
		"different successors": {eu: Checkup{serves(Pending, "new"), holds(Pending, "new")}, us: Checkup{serves(Pending, "newer"), holds(Pending, "newer")}, want: "wrong choose one of them"},
		"keys that may not be listed": {eu: Checkup{serves(Wrong, "new"), unknown}, us: Checkup{serves(Pending, "new"), holds(Pending, "new")},
			want: "pending all clusters that were asked have it; pin it: "},
		"another cluster's rotation":    {eu: Checkup{serves(Wrong, "own"), unknown}, us: Checkup{serves(Pending, "new"), holds(Pending, "new")}, want: "wrong "},
		"a key of its own":              {eu: Checkup{serves(Wrong, "own"), holds(Wrong, "own")}, us: Checkup{sound}, want: "wrong "},
		"a key of its own that another": {eu: Checkup{serves(Wrong, "new"), holds(Wrong, "new")}, us: Checkup{serves(Pending, "new"), holds(Pending, "new")}, want: "wrong "},
		"one that is left behind":       {eu: Checkup{{Topic: TopicCertificate, State: Pending, key: "old", Advice: "restart"}}, us: Checkup{sound}, want: "pending restart"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]Checkup{"prod-eu": test.eu}
			if test.us != nil {
				all["prod-us"] = test.us
			}
			Compare(all)
			if got := string(test.eu[0].State) + " " + test.eu[0].Advice; !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
