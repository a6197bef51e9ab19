package harness

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// serviceAccountDir is where client-go looks for what kubelet projects into a Pod. No program can be told otherwise.
const serviceAccountDir = "var/run/secrets/kubernetes.io/serviceaccount"

// confine makes cmd run in a root directory that holds its program, a temporary folder and what kubelet projects into
// the Pod.
func (i *Instance) confine(cmd *command, token string) error {
	c, pod := i.cluster, i.pod
	root := filepath.Join(cmd.dir, "root")
	account := filepath.Join(root, filepath.FromSlash(serviceAccountDir))
	for _, dir := range []string{account, filepath.Join(root, "tmp")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for name, content := range map[string][]byte{"token": []byte(token), "ca.crt": c.pki.ca, "namespace": []byte(pod.Namespace)} {
		if err := os.WriteFile(filepath.Join(account, name), content, 0o600); err != nil {
			return err
		}
	}
	inside := "/" + filepath.Base(cmd.path)
	if err := place(cmd.path, filepath.Join(root, inside)); err != nil {
		return err
	}
	server, err := url.Parse(c.url)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(server.Host)
	if err != nil {
		return err
	}
	cmd.root, cmd.path, cmd.dir = root, inside, "/"
	cmd.env = append([]string{
		"HOME=/", "TMPDIR=/tmp", "PATH=/",
		"POD_NAME=" + pod.Name, "POD_NAMESPACE=" + pod.Namespace,
		"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port,
	}, i.expand(i.workload.Env)...)
	return nil
}

// place makes the file from appear as to, by a link where both are on one file system.
func place(from, to string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, program, 0o700)
}

// imprison changes the root directory, in a user namespace where only that gives the right to.
func imprison(attributes *syscall.SysProcAttr, root string) {
	attributes.Chroot = root
	if os.Geteuid() == 0 {
		return
	}
	attributes.Cloneflags |= syscall.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
}
