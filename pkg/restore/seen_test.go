package restore_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestAnObjectThatIsWrittenToAllTheTimeIsRestored has a controller write to another part of the object ten times a second, while
// a person's edits are undone.
func TestAnObjectThatIsWrittenToAllTheTimeIsRestored(t *testing.T) {
	a := deploy(t, "busy", files(configMap))
	var group sync.WaitGroup
	stop := make(chan struct{})
	written := 0
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			written++
			patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{"contoso.example/seen-%d":"yes"}}}`, written))
			if err := cluster.Admin().Patch(a.ctx, a.get("v1", "ConfigMap", "settings"), patch, client.FieldOwner("reporter")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3 {
		a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
		a.eventually("the value to be back", func() bool { return a.level() == "info" })
	}
	close(stop)
	group.Wait()
	a.eventually("no field to be left without its manager", func() bool {
		live := a.get("v1", "ConfigMap", "settings")
		for _, m := range live.GetManagedFields() {
			if m.Manager == "reporter" {
				return strings.Count(m.FieldsV1.String(), "contoso.example/seen-") == written
			}
		}
		return false
	})
}
