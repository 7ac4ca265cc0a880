// Package timer keeps deadlines in order.
//
// A Queue is a plain value: it has no clock, no goroutine and no lock. Its
// owner tells it what time it is and asks what is due, so the same code runs
// on a real clock, on a simulated one and in tests. Time is a duration since
// whatever origin the owner has chosen.
//
// The semantics are the original's (spec/storage-api.md section 11): ids start
// at 1, timers are due in the order of their time and then of their id, and
// one call pops at most one. Unlike there, a removed timer is gone at once, so
// the queue never holds more than what is armed and never wakes its owner for
// nothing.
//
// The package is a leaf of this library and may change.
package timer
