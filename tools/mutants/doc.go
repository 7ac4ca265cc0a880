// Command mutants measures whether the simulator finds bugs: it puts one
// deliberate bug after the other into a copy of the repository and runs seeds
// there until one of them fails.
//
//	go run ./tools/mutants                     all bugs, a table
//	go run ./tools/mutants -run lease          those whose name matches
//	go run ./tools/mutants -doc docs/simulator.md   and the table goes in there
//
// The status is 1 if a bug no longer fits the code, does not compile, or
// survives all seeds, unless it is known to be rare and a test notices it. The
// bugs are in table.go. Each replaces texts that occur exactly once in a file;
// whoever changes such a text has to change the table, and the test of this
// package says so at once. The checkout is never touched.
package main
