package sim

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// TestScenarios plays every script with all safety rules on, and then with
// those switched off that it names: there it has to find what it is about,
// which proves that it gets there at all.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseScript(string(text))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			holds(t, s, paxos.Hazards{})
			for _, h := range s.Holds {
				holds(t, s, h)
			}
			for _, b := range s.Breaks {
				breaks(t, s, b)
			}
		})
	}
}

func holds(t *testing.T, s *Script, h paxos.Hazards) {
	t.Helper()
	var trace bytes.Buffer
	res, err := RunScript(s, Options{Hazards: h, Trace: &trace}, "")
	if err != nil || res.Violation != nil {
		t.Errorf("with %+v: %v, %v\n%s", h, err, res.Violation, trace.String())
	}
}

func breaks(t *testing.T, s *Script, b Expectation) {
	t.Helper()
	var trace bytes.Buffer
	res, err := RunScript(s, Options{Hazards: b.Hazards, Trace: &trace}, b.Check)
	if res.Violation == nil || res.Violation.Check != b.Check {
		t.Errorf("with %+v: got %v (%v), want a violation of %s\n%s", b.Hazards, res.Violation, err, b.Check, trace.String())
	}
}
