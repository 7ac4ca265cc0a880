package sim

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzScript: no text makes the parser or the player panic.
func FuzzScript(f *testing.F) {
	files, _ := filepath.Glob("testdata/scenarios/*.txt")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("nodes 3\nonly * A->\nhold Accept ->B\nexpect chosen 1")
	f.Add("nodes 1\nbatch -1\npower A\nstart A\nrun -3s\npropose A x x\nexpect acknowledged y")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(text)
		if err != nil || s.Nodes > 3 || len(s.lines) > 12 {
			return
		}
		for _, l := range s.lines {
			if l.words[0] == "run" {
				return // hours of virtual time take seconds of real time
			}
		}
		_, _ = RunScript(s, Options{}, "")
	})
}
