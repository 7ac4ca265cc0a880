package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestDemoComesTrueAndLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program and starts three processes of it")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	if err := show(ctx, "", true); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(temp, "phxpaxos-demo*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoOfABrokenProgramFails(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := show(t.Context(), broken, false); err == nil {
		t.Error("no error")
	}
}
