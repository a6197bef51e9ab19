package release

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// image is the image of the release for all its platforms, read and checked by what reads images elsewhere.
func image(t *testing.T) (index v1.ImageIndex, tag string) {
	t.Helper()
	dir, number := dist(t)
	unpacked := t.TempDir()
	place(t, unpacked, unpack(t, filepath.Join(dir, "gitops-drift_"+number+"_image.tar")))
	path, err := layout.FromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("the layout holds %d images", len(manifest.Manifests))
	}
	only := manifest.Manifests[0]
	tag = only.Annotations["org.opencontainers.image.ref.name"]
	if tag != "v"+number || only.Annotations["io.containerd.image.name"] != "ghcr.io/gitops-drift/gitops-drift:"+tag {
		t.Errorf("the image is called %v", only.Annotations)
	}
	if index, err = top.ImageIndex(only.Digest); err != nil {
		t.Fatal(err)
	}
	return index, tag
}

func TestTheImageIsSoundAndForBothPlatforms(t *testing.T) {
	index, tag := image(t)
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for _, d := range manifest.Manifests {
		on = append(on, d.Platform.String())
		one, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := one.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c := config.Config
		if config.OS+"/"+config.Architecture != d.Platform.String() || c.User != "65532:65532" || fmt.Sprint(c.Entrypoint) != "[/gitops-drift]" || len(c.Cmd) > 0 {
			t.Errorf("%s: %+v", d.Platform, c)
		}
		for label, want := range map[string]string{
			"org.opencontainers.image.version": tag, "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source": "https://github.com/gitops-drift/gitops-drift",
			"org.opencontainers.image.title":  "gitops-drift",
		} {
			if c.Labels[label] != want || manifest.Annotations[label] != want {
				t.Errorf("%s: %s is %q in the configuration, %q on the index, want %q", d.Platform, label, c.Labels[label], manifest.Annotations[label], want)
			}
		}
		files := filesOf(t, one)
		for _, want := range []string{"gitops-drift", "tmp", "licenses", "licenses/LICENSE", "licenses/THIRD_PARTY_LICENSES"} {
			if _, ok := files[want]; !ok {
				t.Errorf("%s has no %s", d.Platform, want)
			}
		}
		if len(files) != 5 {
			t.Errorf("%s has %d files and folders", d.Platform, len(files))
		}
		dir, number := dist(t)
		checkBuild(t, d.Platform.String(), files["gitops-drift"].content, config.OS, config.Architecture,
			string(files["licenses/THIRD_PARTY_LICENSES"].content), filepath.Join(dir, "gitops-drift_"+number+"_linux_"+config.Architecture+".cdx.json"))
	}
	if strings.Join(on, " ") != "linux/amd64 linux/arm64" {
		t.Errorf("there are images for %v", on)
	}
}

func filesOf(t *testing.T, one v1.Image) map[string]entry {
	t.Helper()
	reader := mutate.Extract(one)
	defer func() { _ = reader.Close() }() // it is read
	var text bytes.Buffer
	if _, err := text.ReadFrom(reader); err != nil {
		t.Fatal(err)
	}
	return untar(t, text.Bytes())
}

// The image's own files are the only ones there, its user runs its entrypoint, as a container runtime would have it.
func TestTheImageRunsWithNothingButWhatIsInIt(t *testing.T) {
	index, tag := image(t)
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range manifest.Manifests {
		if d.Platform.Architecture != runtime.GOARCH {
			continue
		}
		one, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		rootfs := t.TempDir()
		place(t, rootfs, filesOf(t, one))
		for flag, want := range map[string]string{"--version": "gitops-drift " + tag + " commit ", "--help": "-webhook-port"} {
			cmd := exec.CommandContext(t.Context(), "/gitops-drift", flag)
			cmd.Dir, cmd.Env = "/", []string{}
			cmd.SysProcAttr = contained(rootfs)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: %v\n%s", flag, err, out)
			}
		}
		return
	}
	t.Fatalf("there is no image for %s", runtime.GOARCH)
}

// contained has a process see nothing but a folder, as the user of the image. Who is not root needs a user namespace for that.
func contained(rootfs string) *syscall.SysProcAttr {
	const nobody = 65532
	a := &syscall.SysProcAttr{Chroot: rootfs, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if os.Geteuid() != 0 {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.Credential.NoSetGroups = true
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

func TestARegistryTakesTheImage(t *testing.T) {
	dir, _ := dist(t)
	index, tag := image(t)
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	name := strings.TrimPrefix(server.URL, "http://") + "/platform/gitops-drift"
	for image, pushed := range map[string]string{name: name + ":" + tag, name + ":latest": name + ":latest"} {
		said := release(t, root(t), "push", "-dist", dir, "-plain-http", "-image", image)
		if said != fmt.Sprintf("%s@%s\n", pushed, want) {
			t.Errorf("it says %q, want %s@%s", said, pushed, want)
		}
	}
	for _, reference := range []string{tag, "latest", want.String()} {
		response, err := server.Client().Get(server.URL + "/v2/platform/gitops-drift/manifests/" + reference)
		if err != nil {
			t.Fatal(err)
		}
		if response.Header.Get("Docker-Content-Digest") != want.String() {
			t.Errorf("%s is %s in the registry, want %s", reference, response.Header.Get("Docker-Content-Digest"), want)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
