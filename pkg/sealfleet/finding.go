package sealfleet

import (
	"slices"
	"time"
)

// State is how one thing is in a cluster.
type State string

// States, from good to bad.
const (
	// Sound says that it is as it has to be.
	Sound State = "ok"
	// Unknown says that it could not be looked at.
	Unknown State = "unknown"
	// Pending says that it is a step of a rotation of the key that is under way: nothing is wrong, and it is not done.
	Pending State = "pending"
	// Wrong says that it does harm, or will.
	Wrong State = "wrong"
)

// Topic is what a finding is about.
type Topic string

// Topics, in the order in which they are looked at.
const (
	// TopicCertificate is the certificate that the controller serves for sealing.
	TopicCertificate Topic = "certificate"
	// TopicKeys are the Secrets that hold sealing keys.
	TopicKeys Topic = "keys"
	// TopicRenewal is whether the controller makes keys of its own.
	TopicRenewal Topic = "renewal"
	// TopicExpiry is until when the pinned certificate is valid.
	TopicExpiry Topic = "expiry"
	// TopicSynced is whether the controller has opened the SealedSecrets that are in the cluster.
	TopicSynced Topic = "synced"
	// TopicFlux is whether Flux notices that one was not opened.
	TopicFlux Topic = "flux"
)

// Finding is what was found about one thing.
type Finding struct {
	Topic Topic
	State State
	// Object is what it is about, as Kind namespace/name; empty where it is the cluster.
	Object string
	// Message is a sentence without its full stop.
	Message string
	// Advice is what to do about it; empty where nothing is, or where the message says it.
	Advice string
	// Since is when it became so; zero if unknown.
	Since time.Time

	// key is the fingerprint of the one that it is about, if that is another one than the pinned one.
	key string
}

// Checkup is what was found in one cluster, in the order of topics. Every topic has a finding at least.
type Checkup []Finding

// Has reports whether something was found to be in a state.
func (c Checkup) Has(state State) bool {
	return slices.ContainsFunc(c, func(f Finding) bool { return f.State == state })
}
