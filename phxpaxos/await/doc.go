// Package await lets a test wait for what another goroutine, process or disk
// does in its own time.
//
// It separates two kinds of assertion. What must hold in the end is waited for:
// True looks again and again, until the limit that Limit derives from the test
// binary's own timeout. A machine on which forty programs run is slow, and that
// is no failure, so no test sets a limit of its own. What must hold at all
// times, or within a time that the product promises, is no matter of waiting:
// such a test runs on the clock of a testing/synctest bubble, or compares times
// that the product itself took note of.
//
// The package is for tests of this module.
package await
