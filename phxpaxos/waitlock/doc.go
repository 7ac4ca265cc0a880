// Package waitlock is the gate before a group: it admits a bounded number of
// callers at once, lets the others wait in the order in which they came, and
// refuses more under pressure instead of letting the queue grow.
//
// Three limits can be set, all of them off at first:
//
//   - the caller's own context bounds how long it waits, in total;
//   - WaitersMax bounds how many wait at once;
//   - WaitThreshold bounds how long callers wait on average: while they wait
//     longer, a growing share of them is refused at random.
//
// It is the original's WaitLock (spec/protocol.md section 15.2) with these
// differences:
//
//   - waiting is first come, first served;
//   - the wait is measured and bounded as a whole, where a lost wake-up
//     started it anew there;
//   - a caller learns by the error, and not by whether a measured wait is
//     zero, if it was refused or ran out of time;
//   - nobody is refused while a slot is free. Refusing is to shorten the
//     queue; with the original a gate that had been overloaded once went on
//     refusing up to 98 of 100 callers long after the load was gone.
//
// The package is a leaf of this library and may change.
package waitlock
