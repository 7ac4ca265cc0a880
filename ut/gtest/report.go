// Package gtest lets a Go test program report like a GoogleTest program when
// it is started by hand: each test as it runs with its time, and a summary of
// tests and cases at the end. Under "go test", with -test.v and with
// -test.list it stays silent, so that their output is what tools expect. It is
// not promised to users and may change.
package gtest

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// Test is one test of a case.
type Test struct {
	Name string
	Run  func(t *testing.T)
}

// Report counts what ran. The zero Report counts and prints nothing until Main
// decides that somebody reads it. It is not safe for concurrent use, so the
// tests that it runs must not call t.Parallel.
type Report struct {
	out     io.Writer // nil: silent
	ran     int
	cases   []string
	failed  []string
	skipped []string
}

// Main runs the tests of m and returns the exit code: 0, or 1 when one failed.
// TestMain passes it to os.Exit.
func (r *Report) Main(m *testing.M) int {
	flag.Parse()
	if wanted() {
		r.out = os.Stdout
	}
	began := time.Now()
	code := m.Run()
	r.summary(time.Since(began))
	return code
}

// wanted tells a program started by hand from one started by go test, which
// always sets paniconexit0, and from one whose output somebody else defines.
func wanted() bool {
	for name, unset := range map[string]string{"test.paniconexit0": "false", "test.v": "false", "test.list": ""} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != unset {
			return false
		}
	}
	return true
}

// Case runs the tests of a case as subtests of t, which has the name of the
// case behind "Test".
func (r *Report) Case(t *testing.T, tests ...Test) {
	name := strings.TrimPrefix(t.Name(), "Test")
	before, began := r.ran, time.Now()
	r.printf("[----------] %s\n", name)
	for _, test := range tests {
		t.Run(test.Name, func(t *testing.T) { r.run(t, name+"."+test.Name, test.Run) })
	}
	r.printf("[----------] %s from %s (%d ms total)\n\n", count(r.ran-before, "test"), name, time.Since(began).Milliseconds())
}

// run runs one test. A panic fails it like any other fault, or it would take
// the report with it.
func (r *Report) run(t *testing.T, name string, test func(*testing.T)) {
	r.printf("[ RUN      ] %s\n", name)
	began := time.Now()
	// Registered first, so it runs last: what other clean-ups find counts.
	t.Cleanup(func() { r.ended(name, t.Failed(), t.Skipped(), time.Since(began)) })
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	test(t)
}

func (r *Report) ended(name string, failed, skipped bool, took time.Duration) {
	r.ran++
	if c, _, _ := strings.Cut(name, "."); !slices.Contains(r.cases, c) {
		r.cases = append(r.cases, c)
	}
	word := "      OK"
	switch {
	case failed:
		word = " FAILED "
		r.failed = append(r.failed, name)
	case skipped:
		word = " SKIPPED"
		r.skipped = append(r.skipped, name)
	}
	r.printf("[ %s ] %s (%d ms)\n", word, name, took.Milliseconds())
}

func (r *Report) summary(took time.Duration) {
	r.printf("[==========] %s from %s ran. (%d ms total)\n",
		count(r.ran, "test"), count(len(r.cases), "test case"), took.Milliseconds())
	r.printf("[  PASSED  ] %s.\n", count(r.ran-len(r.failed)-len(r.skipped), "test"))
	r.list(" SKIPPED", r.skipped)
	r.list(" FAILED ", r.failed)
}

func (r *Report) list(word string, names []string) {
	if len(names) == 0 {
		return
	}
	r.printf("[ %s ] %s, listed below:\n", word, count(len(names), "test"))
	for _, name := range names {
		r.printf("[ %s ] %s\n", word, name)
	}
}

func (r *Report) printf(format string, args ...any) {
	if r.out != nil {
		fmt.Fprintf(r.out, format, args...)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
