// Package filewatch notices that files have changed, so that certificates and
// address books can be read again while a node runs. It looks when it is asked,
// at most once in an interval, and has no goroutine: who does not use the files
// does not pay for them.
//
// The package is for the network plugins and may change.
package filewatch
