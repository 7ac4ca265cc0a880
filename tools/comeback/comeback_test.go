package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test binary stand in for the program when it is started
// again as the process of a node.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// TestWipedNodesComeBack: also when the receiver, or the sender, is killed in
// the middle.
func TestWipedNodesComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills real processes for some seconds")
	}
	var out bytes.Buffer
	o := options{rounds: 3, size: 8 << 20, clients: 2, rate: 16 << 20, kills: true, seed: 1, dir: t.TempDir()}
	if err := run(o, &out); err != nil {
		for i := range nodesCount {
			log, _ := os.ReadFile(o.dir + "/node" + string(rune('0'+i)) + ".log")
			t.Logf("node %d: %s", i, log[max(0, len(log)-4000):])
		}
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"was killed while it received", "lost its sender", "the same state"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
	t.Log(out.String())
}

func TestReplayIsMeasured(t *testing.T) {
	var out bytes.Buffer
	if err := run(options{replay: 500, dir: t.TempDir()}, &out); err != nil || !strings.Contains(out.String(), "start with ") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-size 0", "-clients -1", "-rate -1", "-replay -1", "more"} {
		if _, err := parseArgs(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}
