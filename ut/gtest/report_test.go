package gtest_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// The tests of this package start the package's own test program again, with
// this variable set, and read what it prints. The cases below the variable
// only exist in that second program.
const childVariable = "GTEST_CHILD"

var report gtest.Report

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	os.Exit(report.Main(m))
}

func childOnly(t *testing.T) {
	t.Helper()
	if os.Getenv(childVariable) == "" {
		t.Skip("a case for the second program")
	}
}

func TestGood(t *testing.T) {
	childOnly(t)
	report.Case(t, gtest.Test{Name: "One", Run: func(*testing.T) {}}, gtest.Test{Name: "Two", Run: func(*testing.T) {}})
}

func TestBad(t *testing.T) {
	childOnly(t)
	report.Case(t,
		gtest.Test{Name: "Fails", Run: func(t *testing.T) { t.Fatal("this is wrong") }},
		gtest.Test{Name: "FailsLate", Run: func(t *testing.T) { t.Cleanup(func() { t.Error("found at the end") }) }},
		gtest.Test{Name: "Panics", Run: func(*testing.T) { panic("out of paper") }},
		gtest.Test{Name: "Skips", Run: func(t *testing.T) { t.Skip("not today") }},
	)
}

// child runs the program and returns its output, without times, and its exit
// code.
func child(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Dir = append(os.Environ(), childVariable+"=1"), t.TempDir()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\(\d+ ms`).ReplaceAllString(string(out), "(0 ms"), cmd.ProcessState.ExitCode()
}

func TestReportOfAProgramThatPasses(t *testing.T) {
	got, code := child(t, "-test.run=^TestGood$")
	const want = `[----------] Good
[ RUN      ] Good.One
[       OK ] Good.One (0 ms)
[ RUN      ] Good.Two
[       OK ] Good.Two (0 ms)
[----------] 2 tests from Good (0 ms total)

PASS
[==========] 2 tests from 1 test case ran. (0 ms total)
[  PASSED  ] 2 tests.
`
	if got != want || code != 0 {
		t.Errorf("exit code %d, printed\n%s\nwant 0 and\n%s", code, got, want)
	}
}

func TestReportOfAProgramThatFails(t *testing.T) {
	got, code := child(t, "-test.run=^(TestGood|TestBad)$")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	const end = `[==========] 6 tests from 2 test cases ran. (0 ms total)
[  PASSED  ] 2 tests.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Bad.Skips
[  FAILED  ] 3 tests, listed below:
[  FAILED  ] Bad.Fails
[  FAILED  ] Bad.FailsLate
[  FAILED  ] Bad.Panics
`
	if !strings.HasSuffix(got, end) {
		t.Errorf("printed\n%s\nwant at the end\n%s", got, end)
	}
	for _, part := range []string{"this is wrong", "found at the end", "panic: out of paper", "[  FAILED  ] Bad.Fails (0 ms)"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

// Whoever asks for Go's own output gets it, and nothing else.
func TestSilentWhereOutputIsDefined(t *testing.T) {
	for _, flag := range []string{"-test.v", "-test.list=.", "-test.paniconexit0", "-test.v=test2json"} {
		got, code := child(t, "-test.run=^TestGood$", flag)
		if code != 0 || got == "" || strings.Contains(got, "[==") || strings.Contains(got, "[ RUN") {
			t.Errorf("%s: exit code %d, printed\n%s", flag, code, got)
		}
	}
}

func TestRepeatedTestsCountEachTime(t *testing.T) {
	got, _ := child(t, "-test.run=^TestGood$/^One$", "-test.count=3")
	if !strings.Contains(got, "3 tests from 1 test case ran.") {
		t.Errorf("printed\n%s", got)
	}
}
