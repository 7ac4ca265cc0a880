// Package tutorial is the code of docs/tutorial.md: a service for one machine,
// bank.go, and what it takes to run it on several, machine.go, service.go and
// checkpoint.go. Its tests run all of it, and check that the tutorial shows
// exactly this code. The package is an example and may change.
package tutorial
