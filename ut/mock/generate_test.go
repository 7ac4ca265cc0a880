package mock

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The committed mocks are what the directives of generate.go make of today's
// interfaces. This is the check that CI relies on: a stale mock would compile
// and lie.
func TestMocksAreUpToDate(t *testing.T) {
	files := []string{"generate.go", "generate_test.go"}
	for _, d := range directives(t) {
		files = append(files, d.file)
		// Looked at here as well, so that go test does not answer from its cache
		// when only the interface has changed.
		if _, err := os.ReadFile(d.source); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), d.command[0], d.command[1:]...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		want, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(d.command, " "), err, stderr.Bytes())
		}
		got, err := os.ReadFile(d.file)
		if err != nil {
			t.Errorf("%v; run make generate", err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date; run make generate", d.file)
		}
	}
	// A mock whose directive was removed would stay as it is for ever.
	found, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if !slices.Contains(files, file) {
			t.Errorf("%s is not made by any directive of generate.go; remove it", file)
		}
	}
}

// directive is one line of generate.go.
type directive struct {
	command []string // prints the mock instead of writing it
	source  string   // declares the interfaces
	file    string   // where go generate writes it
}

// directives reads generate.go by the rules of go generate, as far as the
// file uses them.
func directives(t *testing.T) (all []directive) {
	t.Helper()
	text, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	short := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "//go:generate ")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if words[0] == "-command" {
			short[words[1]] = words[2:]
			continue
		}
		d := directive{command: slices.Clone(short[words[0]])}
		for _, word := range words[1:] {
			if file, ok := strings.CutPrefix(word, "-destination="); ok {
				d.file = file
				continue
			}
			if source, ok := strings.CutPrefix(word, "-source="); ok {
				d.source = source
			}
			d.command = append(d.command, word)
		}
		if d.file == "" || d.source == "" || len(d.command) == 0 || short[words[0]] == nil {
			t.Fatalf("not understood: %s", line)
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		t.Fatal("generate.go has no directives")
	}
	return all
}
