package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every fault still fits the code that it is a fault of. Whether its test
// notices takes minutes to find out; this takes none, so every test run does it.
func TestEveryFaultFits(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
		if err != nil {
			t.Errorf("%s: %v", m.test, err)
			continue
		}
		if _, err := m.apply(string(text)); err != nil {
			t.Errorf("%s: %v; change ut/mutations/table.go", m.test, err)
		}
		if seen[m.test] {
			t.Errorf("%s has two faults", m.test)
		}
		seen[m.test] = true
	}
	if len(seen) != 27 {
		t.Errorf("%d tests have a fault, want 27", len(seen))
	}
}

// A text that is gone, or that is there twice, is an error and not a fault in
// some other place.
func TestFaultThatDoesNotFit(t *testing.T) {
	m := mutation{file: "x.go", old: "a < b", new: "a > b"}
	if got, err := m.apply("if a < b {"); err != nil || got != "if a > b {" {
		t.Errorf("apply = %q, %v", got, err)
	}
	for _, text := range []string{"", "a < b || a < b"} {
		if got, err := m.apply(text); err == nil || !strings.Contains(err.Error(), "x.go") {
			t.Errorf("apply to %q = %q, %v, want an error that names the file", text, got, err)
		}
	}
}
