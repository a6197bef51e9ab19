package record

import (
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// How many different records one user gets in an hour, on one replica. Who makes more different edits of an object gets one
// more record for the rest of them, and who edits more objects gets one more for all of those.
const (
	recordsPerObject = 20
	recordsPerUser   = 200
	hour             = time.Hour
	// usersRemembered bounds the memory; beyond it, the user who was first seen longest ago starts anew.
	usersRemembered = 200
)

// crowd folds the edits of users who make very many different ones. It must not be used concurrently.
type crowd struct {
	users map[string]*member
}

// member is what one user did since a moment less than an hour ago.
type member struct {
	since   time.Time
	records map[string]struct{}
	objects map[v1alpha1.ObjectReference]int
}

// fold returns the name of the record that the edit belongs to, having folded it if need be.
func (c *crowd) fold(spec *v1alpha1.EditRecordSpec, now time.Time) string {
	name := Name(spec)
	m := c.member(spec.User.Name, now)
	if _, ok := m.records[name]; ok {
		return name
	}
	switch {
	case len(m.records) >= recordsPerUser:
		spec.Folded = v1alpha1.FoldedObjects
		return Name(spec)
	case m.objects[spec.Object] >= recordsPerObject:
		spec.Folded = v1alpha1.FoldedFields
		return Name(spec)
	}
	m.records[name] = struct{}{}
	m.objects[spec.Object]++
	return name
}

func (c *crowd) member(user string, now time.Time) *member {
	m, ok := c.users[user]
	if ok && now.Sub(m.since) < hour {
		return m
	}
	if c.users == nil {
		c.users = map[string]*member{}
	}
	if !ok && len(c.users) >= usersRemembered {
		oldest := ""
		for name, other := range c.users {
			if oldest == "" || other.since.Before(c.users[oldest].since) {
				oldest = name
			}
		}
		delete(c.users, oldest)
	}
	m = &member{since: now, records: map[string]struct{}{}, objects: map[v1alpha1.ObjectReference]int{}}
	c.users[user] = m
	return m
}
