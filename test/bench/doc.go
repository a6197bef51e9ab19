// Package bench measures, on a real control plane with the real controllers, how long drift lasts. Its benchmarks are
// run by `make bench` and print a table.
package bench
