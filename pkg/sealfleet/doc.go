// Package sealfleet asks the Sealed Secrets controllers of clusters: whether they open what a repository has, and whether
// they are set up for a sealing key that several clusters share. It reaches them as kubeseal does, through the API server,
// with the rights of whoever asks, and changes nothing.
package sealfleet
