package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every bug still fits the code that it is a bug of. Whether the simulator
// finds it takes long to find out; this takes none, so every test run does it.
func TestEveryBugFits(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range mutants {
		texts := map[string]string{}
		for _, e := range m.edits {
			text, ok := texts[e.file]
			if !ok {
				data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
				if err != nil {
					t.Errorf("%s: %v", m.bug, err)
					continue
				}
				text = string(data)
			}
			if texts[e.file], err = e.apply(text); err != nil {
				t.Errorf("%s: %v; change tools/mutants/table.go", m.bug, err)
			}
		}
		if seen[m.bug] {
			t.Errorf("%s is there twice", m.bug)
		}
		seen[m.bug] = true
	}
	for bug := range rare {
		if !seen[bug] {
			t.Errorf("%s is rare, and not in the table", bug)
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d bugs, want at least 10", len(seen))
	}
}

func TestReplaceTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if want := "before\n" + tableBegin + "new\n" + tableEnd + "after\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if err := os.WriteFile(file, []byte("no marks"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, "new\n"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without marks: %v, want an error that names the file", err)
	}
}
