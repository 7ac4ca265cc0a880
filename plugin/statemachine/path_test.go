package statemachine

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that is named with a path is where it was at first, also after the
// process has changed its working directory; one that is only named is looked
// for in the system's search path.
func TestProgramPath(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"machine": "machine", "./machine": filepath.Join(here, "machine"), "/bin/machine": "/bin/machine",
	} {
		if got, err := whole(program); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", program, got, err, want)
		}
	}
}
