// Package chaos tests that the guard is never in the way: replicas are killed, hung and rolled, certificates rotate and
// expire and the API server restarts, while people edit what Flux manages and what it does
// not. Under failurePolicy Ignore no edit may fail because of us; under Fail only while every replica is down; and every
// edit that was admitted without a verdict must have been counted.
//
// GITOPS_DRIFT_CHAOS, a duration such as 10m, makes the test of roll-outs last longer.
package chaos
