package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
)

func TestDemoComesTrueAndLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs and starts three servers")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if err := show(await.Context(t), ""); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(temp, "phxpaxos-demo*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoOfABrokenProgramFails(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{server, tools} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := show(t.Context(), bin); err == nil {
		t.Error("no error")
	}
}
