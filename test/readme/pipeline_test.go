package readme

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

// aStep is a step of a pipeline, with the properties that the documentation uses. As in Azure Pipelines' schema
// (https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/steps) its first property says what it is.
type aStep struct {
	Checkout    string            `json:"checkout,omitempty"`
	Template    string            `json:"template,omitempty"`
	Task        string            `json:"task,omitempty"`
	Script      string            `json:"script,omitempty"`
	Bash        string            `json:"bash,omitempty"`
	Publish     string            `json:"publish,omitempty"`
	Artifact    string            `json:"artifact,omitempty"`
	Name        string            `json:"name,omitempty"`
	DisplayName string            `json:"displayName,omitempty"`
	Condition   string            `json:"condition,omitempty"`
	Inputs      map[string]string `json:"inputs,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
}

type branches struct {
	Branches struct {
		Include []string `json:"include"`
	} `json:"branches"`
}

// pipeline is azure-pipelines.yml.
type pipeline struct {
	Trigger   branches `json:"trigger"`
	PR        branches `json:"pr"`
	Schedules []struct {
		branches
		Cron        string `json:"cron"`
		DisplayName string `json:"displayName"`
		Always      bool   `json:"always"`
	} `json:"schedules"`
	Pool struct {
		VMImage string `json:"vmImage"`
	} `json:"pool"`
	Variables map[string]string `json:"variables"`
	Jobs      []struct {
		Job         string  `json:"job"`
		DisplayName string  `json:"displayName"`
		Condition   string  `json:"condition"`
		Steps       []aStep `json:"steps"`
	} `json:"jobs"`
}

// tasks are those of Azure Pipelines that are used, with the inputs that they are known to have.
var tasks = map[string][]string{"DownloadSecureFile@1": {"secureFile"}, "GoTool@0": {"version"}}

// documented returns the pipeline of docs/azure-pipelines.md, and demands that it and its template use what there is.
func documented(t *testing.T, root string) *pipeline {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "azure-pipelines.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d files", len(blocks))
	}
	whole, template := &pipeline{}, &struct {
		Steps []aStep `json:"steps"`
	}{}
	if err := errors.Join(yaml.UnmarshalStrict([]byte(blocks[0][1]), whole), yaml.UnmarshalStrict([]byte(blocks[1][1]), template)); err != nil {
		t.Fatal(err)
	}
	steps := slices.Clone(template.Steps)
	for _, job := range whole.Jobs {
		steps = append(steps, job.Steps...)
	}
	for _, step := range steps {
		kinds := 0
		for _, kind := range []string{step.Checkout, step.Template, step.Task, step.Script, step.Bash, step.Publish} {
			if kind != "" {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("this step is %d things: %+v", kinds, step)
		}
		for input := range step.Inputs {
			if !slices.Contains(tasks[step.Task], input) {
				t.Errorf("the task %s is not known to have the input %s", step.Task, input)
			}
		}
	}
	return whole
}

// script is that of the last step of a job that has one.
func (p *pipeline) script(job string) string {
	for _, j := range p.Jobs {
		if j.Job != job {
			continue
		}
		for _, step := range slices.Backward(j.Steps) {
			if text := step.Script + step.Bash; text != "" {
				return text
			}
		}
	}
	return "echo the job " + job + " has no script; exit 99"
}

func TestThePipelineDoesWhatItSays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	p := documented(t, root)
	s, err := stage.Start(ctx, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	bin, err := harness.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Repo.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	staging := t.TempDir()
	// run runs a script as the agent does, which puts its variables in first.
	run := func(job, clusters string) (string, int) {
		script := strings.NewReplacer("$(clusters)", clusters, "$(Build.SourceVersion)", head, "$(Build.ArtifactStagingDirectory)", staging).Replace(p.script(job))
		cmd, err := s.Cluster.Command(ctx, harness.OnCall, "/bin/bash", "--noprofile", "--norc", "-c", script)
		if err != nil {
			return err.Error(), -1
		}
		cmd.Dir, cmd.Env = s.Repo.Dir, append(cmd.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return err.Error(), -1
		}
		return string(out), cmd.ProcessState.ExitCode()
	}

	// The SealedSecret of the example is sealed with a key that was thrown away, and nothing is pinned.
	if out, code := run("secrets", ""); code != 2 || !strings.Contains(out, ".gitops-seal.yaml") {
		t.Errorf("secrets: exit code %d\n%s", code, out)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	for _, args := range [][]string{
		{"keygen", "--dir", keys}, {"init", "--cert", filepath.Join(keys, "shared.crt"), "--contexts", stage.Environment},
	} {
		cmd, err := s.Cluster.Command(ctx, harness.OnCall, "kubectl", append([]string{"gitops-seal"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Dir = s.Repo.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if out, code := run("secrets", ""); code != 1 || !strings.Contains(out, "UnknownKey") {
		t.Errorf("secrets, with a certificate pinned: exit code %d\n%s", code, out)
	}

	live := make(chan string)
	go func() {
		out, code := run("live", stage.Environment)
		if code != 0 {
			out = "live: " + out
		}
		live <- out
	}()
	for done := false; !done; {
		select {
		case out := <-live:
			if !strings.Contains(out, "kustomization/apps") || strings.HasPrefix(out, "live: ") {
				t.Errorf("live:\n%s", out)
			}
			done = true
		case <-time.After(500 * time.Millisecond):
			// The source says that it has looked.
			if _, err := s.Cluster.Publish(ctx, harness.Publication{Dir: s.Repo.Dir}); err != nil {
				t.Fatal(err)
			}
		}
	}

	if out, code := run("drift", stage.Environment); code != 0 || strings.Contains(out, "##vso") {
		t.Errorf("without drift: exit code %d\n%s", code, out)
	}
	if result, err := s.Cluster.Kubectl(ctx, harness.OnCall, "", "set", "resources", "deployment/payments-api", "-n", "payments", "--limits=memory=1Gi"); err != nil || result.Code != 0 {
		t.Fatalf("%v %s", err, result.Stderr)
	}
	if out, code := run("drift", stage.Environment); code != 0 || !strings.Contains(out, "##vso[task.complete result=SucceededWithIssues;]") || !strings.Contains(out, "memory") {
		t.Errorf("with drift: exit code %d\n%s", code, out)
	}
	report := struct {
		Kind  string
		Items []struct{ Verdict string }
	}{}
	if text, err := os.ReadFile(filepath.Join(staging, "drift.json")); err != nil || json.Unmarshal(text, &report) != nil || report.Kind != "DriftReport" || len(report.Items) != 1 {
		t.Errorf("the artifact is %s: %v", text, err)
	}
	if out, code := run("drift", stage.Environment+","+stage.Unreachable); code != 2 {
		t.Errorf("with a cluster that cannot be asked: exit code %d\n%s", code, out)
	}
}
