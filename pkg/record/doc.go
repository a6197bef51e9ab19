// Package record keeps the evidence of edits as EditRecords.
//
// Recorder takes one edit at a time from the path of an admission request, which it never holds up: edits wait in a
// bounded queue, where those that belong to one record are merged, and each record is written at most once a second.
// Records have names made of what they are about, so that all replicas write the same ones, with optimistic concurrency.
// A user who makes very many different edits gets fewer, folded records. Pruner removes old records on the leader. List
// reads them.
package record
