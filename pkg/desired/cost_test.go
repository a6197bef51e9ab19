package desired

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// many writes a folder of n ConfigMaps and n Deployments, ten of each to a file, and no kustomization.
func many(tb testing.TB, n int) folder {
	tb.Helper()
	dir := tb.TempDir()
	for from := 0; from < n; from += 10 {
		var content strings.Builder
		for i := from; i < min(from+10, n); i++ {
			fmt.Fprintf(&content, configMapAndDeployment, i, i, i, i, i, i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("apps-%04d.yaml", from)), []byte(content.String()), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return folder{dir: dir}
}

const configMapAndDeployment = `---
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-%04d
  namespace: shop
data:
  number: "%d"
  greeting: hello
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%04d
  namespace: shop
spec:
  replicas: 2
  selector: {matchLabels: {app: app-%04d}}
  template:
    metadata: {labels: {app: app-%04d}}
    spec:
      containers:
        - name: app
          image: registry.example.com/app:%d
          ports: [{containerPort: 8080}]
          envFrom: [{configMapRef: {name: config-%04d}}]
          resources:
            requests: {cpu: 100m, memory: 64Mi}
            limits: {memory: 128Mi}
`

// BenchmarkBuild is what it costs to build one Kustomization of so many objects.
func BenchmarkBuild(b *testing.B) {
	for _, objects := range []int{250, 1000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			builder := NewBuilder(newClient(b, source(revision)), many(b, objects/2))
			before := processorTime(b)
			for b.Loop() {
				state, err := builder.Build(context.Background(), kustomization("./", nil))
				if err != nil {
					b.Fatal(err)
				}
				if len(state.Objects) != objects {
					b.Fatalf("built %d objects of %d", len(state.Objects), objects)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is what all threads of the process have used, which other programs on the machine do not lengthen much.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
