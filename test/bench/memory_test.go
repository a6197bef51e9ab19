package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	reviews = 100_000
	// managed objects are spread over owners, as in a cluster of many teams.
	owners  = 10
	managed = 10_000
	// memory is how much of it the controller may keep. While it builds the state of an owner, kustomize takes more.
	memory = 100 << 20
)

// BenchmarkMemory measures the memory of the controller: at rest, with 10,000 managed objects, and while and after it
// judges 100,000 reviews that a real API server once sent.
func BenchmarkMemory(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, b)
	product, err := cluster.StartProduct(ctx, "enforce")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		meter := startMeter(ctx, product)
		rows := [][]string{{"", "resident", "highest", "heap in use", "took"}}
		measure := func(what string, do func()) {
			start := time.Now()
			meter.reset()
			do()
			took := time.Since(start)
			now, err := readMemory(ctx, product)
			if err != nil {
				b.Fatal(err)
			}
			highest := max(meter.highest.Load(), now.resident)
			rows = append(rows, []string{what, mebibytes(now.resident), mebibytes(highest), mebibytes(now.heap), took.Round(100 * time.Millisecond).String()})
			b.ReportMetric(float64(now.resident)/(1<<20), strings.ReplaceAll(what, " ", "-")+"-MiB")
			if now.resident > memory {
				b.Errorf("%s the controller keeps %s; it has to be under %s", what, mebibytes(now.resident), mebibytes(memory))
			}
		}
		measure("at rest", func() { time.Sleep(5 * time.Second) })
		measure(fmt.Sprintf("with %d managed objects", managed), func() {
			for i := range owners {
				deploy(ctx, b, cluster, fmt.Sprintf("bench-%d", i), managed/owners)
			}
			// The controller builds every state, and its loop looks at every object.
			time.Sleep(30 * time.Second)
		})
		measure(fmt.Sprintf("with %d reviews", reviews), func() { flood(ctx, b, "https://"+product.Address("WEBHOOK")+admission.Path) })
		meter.stop()
		printTable(b, "Memory of the controller", rows)
	}
}

// flood sends the recorded requests, over and over, from several clients. None of them is a dry-run.
func flood(ctx context.Context, b *testing.B, url string) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "pkg", "admission", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no recorded requests: %v", err)
	}
	var bodies [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		in := &admissionv1.AdmissionRequest{}
		if err := json.Unmarshal(text, in); err != nil {
			b.Fatal(err)
		}
		dryRun := false
		in.DryRun, in.UID = &dryRun, types.UID("bench")
		body, err := json.Marshal(admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: in,
		})
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	const clients = 8
	c := &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: clients,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // What is measured is memory.
	}}
	defer c.CloseIdleConnections()
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for n := next.Add(1); n <= reviews; n = next.Add(1) {
				if err := send(ctx, c, url, bodies[int(n)%len(bodies)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func send(ctx context.Context, c *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"uid":"bench"`))) {
		err = fmt.Errorf("answered %d %s", resp.StatusCode, answer)
	}
	return err
}

// usage is memory in bytes, and the seconds of a processor since the start.
type usage struct {
	resident, heap int64
	cpu            float64
}

// readMemory reads the controller's own metrics.
func readMemory(ctx context.Context, product *harness.Instance) (usage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+product.Address("METRICS")+"/metrics", nil)
	if err != nil {
		return usage{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return usage{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	values := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "process_resident_memory_bytes", "go_memstats_heap_inuse_bytes", "process_cpu_seconds_total":
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return usage{}, err
			}
			values[name] = number
		}
	}
	if err := lines.Err(); err != nil {
		return usage{}, err
	}
	if len(values) != 3 {
		return usage{}, fmt.Errorf("the controller's metrics tell %v", values)
	}
	return usage{
		resident: int64(values["process_resident_memory_bytes"]), heap: int64(values["go_memstats_heap_inuse_bytes"]),
		cpu: values["process_cpu_seconds_total"],
	}, nil
}

// meter keeps the most memory that it saw.
type meter struct {
	highest atomic.Int64
	stop    func()
}

func startMeter(ctx context.Context, product *harness.Instance) *meter {
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{stop: cancel}
	go func() {
		for ctx.Err() == nil {
			if now, err := readMemory(ctx, product); err == nil {
				m.highest.Store(max(m.highest.Load(), now.resident))
			}
			time.Sleep(250 * time.Millisecond)
		}
	}()
	return m
}

func (m *meter) reset() { m.highest.Store(0) }

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
