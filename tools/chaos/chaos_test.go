package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	waiting "github.com/phxpaxos/phxpaxos-go/phxpaxos/await" // the program has an await of its own
)

// TestMain lets the test binary stand in for the program when it is started
// again as the process of a node.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// play runs chaos on real processes and returns what it printed.
func play(t *testing.T, o options) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts and kills real processes for some seconds")
	}
	ctx := waiting.Context(t)
	o.Dir = t.TempDir()
	var out bytes.Buffer
	if code := chaos(ctx, o, &out); code != exitOK {
		for i := range o.Nodes {
			log, _ := os.ReadFile(o.Dir + "/node" + string(rune('0'+i)) + ".log")
			t.Logf("node %d: %s", i, log[max(0, len(log)-4000):])
		}
		t.Fatalf("exit code %d:\n%s", code, out.String())
	}
	return out.String()
}

func TestClusterSurvivesKills(t *testing.T) {
	out := play(t, options{Layout: "mixed", Rounds: 6, Nodes: 3, Clients: 6, Groups: 2, Seed: 1, RoundTime: 700 * time.Millisecond})
	for _, want := range []string{"6 rounds", "no violation"} {
		if !strings.Contains(out, want) {
			t.Errorf("summary lacks %q:\n%s", want, out)
		}
	}
}

func TestClusterGoesOnUnderGarbage(t *testing.T) {
	out := play(t, options{Rounds: 1, Nodes: 3, Clients: 4, Groups: 1, Seed: 2, RoundTime: 500 * time.Millisecond, Garbage: 2 * time.Second})
	for _, want := range []string{"node 0 dropped", "node 1 dropped", "node 2 dropped", "PacketCRC", "no violation"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

// The run ends, and leaves no process behind, when it is interrupted.
func TestInterruptedRunFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	o := options{Rounds: 1, Nodes: 3, Clients: 1, Groups: 1, Seed: 3, RoundTime: time.Second, Dir: t.TempDir()}
	if code := chaos(ctx, o, &out); code != exitFail || !strings.Contains(out.String(), "canceled") {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}

func TestUsedDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := chaos(t.Context(), options{Nodes: 3, Dir: dir}, &out); code != exitFail || !strings.Contains(out.String(), "not empty") {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}
