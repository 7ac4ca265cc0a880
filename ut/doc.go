// Package ut holds the original's 27 unit tests, in its 6 cases and under its
// names (spec/storage-api.md section 11), asked of this library. It has no
// code of its own and nothing to import.
//
//	go test ./ut                                 as any test
//	go test -c -o bin/phxpaxos_ut ./ut           as a program of its own, which
//	bin/phxpaxos_ut                              reports as the original's does
//	bin/phxpaxos_ut -test.run Acceptor           and knows the usual flags
//
// The tests drive the production code through what it exports. The acceptor
// and the proposer are those of package paxos, between a mocked world above
// and a mocked log storage below; where the original's tests reach into an
// object to prepare it, these come from a log, or from messages, that lead to
// the same state. Time is virtual. Where this library departs from the
// original on purpose (see package paxos), the test asserts ours and says so.
//
// Next to it: package mock holds the mocks, package gtest the report, and
// program mutations proves that each of the tests can fail.
package ut
