package harness

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// auditPolicyYAML logs every write and every connection to a Pod, and nothing of the reads and leases that would bury them.
const auditPolicyYAML = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata # some of these are asked for by GET
  resources: [{group: "", resources: [pods/attach, pods/exec, pods/portforward, pods/proxy]}]
- level: None
  verbs: [get, list, watch]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
`

// AuditEvent is the part of an audit.k8s.io/v1 Event, at level Metadata, that tests look at.
type AuditEvent struct {
	AuditID                  string                     `json:"auditID"`
	Stage                    string                     `json:"stage"`
	RequestURI               string                     `json:"requestURI"`
	Verb                     string                     `json:"verb"`
	User                     authenticationv1.UserInfo  `json:"user"`
	ImpersonatedUser         *authenticationv1.UserInfo `json:"impersonatedUser"`
	UserAgent                string                     `json:"userAgent"`
	ObjectRef                AuditObject                `json:"objectRef"`
	ResponseStatus           *metav1.Status             `json:"responseStatus"`
	RequestReceivedTimestamp metav1.MicroTime           `json:"requestReceivedTimestamp"`
	StageTimestamp           metav1.MicroTime           `json:"stageTimestamp"`
	Annotations              map[string]string          `json:"annotations"`
}

// AuditObject names what the request was about.
type AuditObject struct {
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"`
	Subresource string `json:"subresource"`
}

// AuditLog returns the path of the API server's audit log: one JSON event a line, every write and no read.
func (c *Cluster) AuditLog() string {
	return filepath.Join(c.dir, "audit.log")
}

// AuditEvents returns the audit events so far that match accepts, oldest first. A request's event is there
// before its answer is.
func (c *Cluster) AuditEvents(match func(AuditEvent) bool) ([]AuditEvent, error) {
	return c.AuditEventsSince(0, match)
}

// AuditMark returns the place in the audit log where events go that are written from now on.
func (c *Cluster) AuditMark() (int64, error) {
	info, err := os.Stat(c.AuditLog())
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// AuditEventsSince is like [Cluster.AuditEvents] for the events written since the mark.
func (c *Cluster) AuditEventsSince(mark int64, match func(AuditEvent) bool) (events []AuditEvent, err error) {
	log, err := os.Open(c.AuditLog())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if _, err := log.Seek(max(mark-1, 0), io.SeekStart); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(log)
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil // what follows the last line end is still being written
		}
		if err != nil {
			return nil, err
		}
		if first && mark > 0 {
			continue // the end of an event that was there at the mark, or was being written
		}
		var event AuditEvent
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("%s: %w", c.AuditLog(), err)
		}
		if match(event) {
			events = append(events, event)
		}
	}
}
