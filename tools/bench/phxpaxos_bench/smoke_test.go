package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	waiting "github.com/phxpaxos/phxpaxos-go/phxpaxos/await" // the program has an await of its own
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

// parentEnv makes the test's program the benchmark, with these arguments.
const parentEnv = "PHXPAXOS_BENCH_TEST_ARGS"

// TestMain lets the test's program be its own children, as the benchmark is.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	if args := os.Getenv(parentEnv); args != "" {
		os.Exit(parentMain(strings.Fields(args)))
	}
	os.Exit(m.Run())
}

// smoke runs the benchmark in a directory, which must be empty afterwards.
func smoke(t *testing.T, ctx context.Context, args string) (stdout, stderr string, err error) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts three processes")
	}
	dir := t.TempDir()
	o, err := parseArgs(append([]string{"-dir", dir}, strings.Fields(args)...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, progress strings.Builder
	err = bench(ctx, o, &out, &progress)
	if left, globErr := filepath.Glob(filepath.Join(dir, "*")); globErr != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, globErr)
	}
	return out.String(), progress.String(), err
}

func TestSmoke(t *testing.T) {
	stdout, stderr, err := smoke(t, t.Context(), "-groups 2 -callers 1,40 -seconds 1 -warmup 0.2 -json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Loads []*figures }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Loads) != 2 {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	for _, f := range got.Loads {
		// Loose bounds: the machine may be busy. One sync for an instance on
		// each node is what the protocol costs; a node that is behind may be
		// a little above or below.
		if f.Ops == 0 || f.P50 <= 0 || f.P50 > f.P99 || f.P99 > f.P999 || f.Unfinished != 0 {
			t.Errorf("throughput and latency: %+v", f)
		}
		if f.CPUPer10kOps <= 0 || f.AllocsPerOp <= 0 || f.WireBytesPerOp < 100 || f.LogPerPayload < 3 {
			t.Errorf("costs: %+v", f)
		}
		if f.SyncsPerInstanceNode < 0.5 || f.SyncsPerInstanceNode > 2 {
			t.Errorf("%v syncs for an instance on each node", f.SyncsPerInstanceNode)
		}
	}
	if one, many := got.Loads[0], got.Loads[1]; many.OpsPerInstance < 2*one.OpsPerInstance {
		t.Errorf("%v ops in an instance with one caller, %v with 40", one.OpsPerInstance, many.OpsPerInstance)
	}
	if !strings.Contains(stderr, "2 of 2: 2 groups, 100 B, 40 callers") {
		t.Errorf("progress: %s", stderr)
	}
}

func TestSmokeOpenLoopWithoutSync(t *testing.T) {
	stdout, _, err := smoke(t, t.Context(), "-rate 200 -seconds 0.5 -warmup 0.1 -durable off -batch off -at all -json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Loads []*figures }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Loads) != 1 {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if f := got.Loads[0]; f.Ops == 0 || f.Ops > 200 || f.OpsPerInstance > 1.5 {
		t.Errorf("got %+v", f)
	}
}

func TestMatrixWritesItsFiles(t *testing.T) {
	out := t.TempDir()
	md, svg := filepath.Join(out, "t.md"), filepath.Join(out, "t.svg")
	profile := filepath.Join(out, "cpu.pprof")
	stdout, _, err := smoke(t, t.Context(), "-matrix -matrix-groups 1 -matrix-values 16,100KiB -matrix-callers 2 -seconds 0.2 -warmup 0"+
		" -markdown "+md+" -svg "+svg+" -cpuprofile "+profile+" -allocprofile "+filepath.Join(out, "allocs.pprof"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout, "100 KiB") {
		t.Errorf("printed\n%s", stdout)
	}
	for _, name := range []string{md, svg, filepath.Join(out, "cpu-g1-v16-c2.pprof"), filepath.Join(out, "allocs.pprof")} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInterruptLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	timer := time.AfterFunc(500*time.Millisecond, func() { cancel(stop) })
	defer timer.Stop()
	if _, _, err := smoke(t, ctx, "-seconds 60"); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// A node that cannot start says why.
func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	me := l.Addr().String()
	_, _, err = smoke(t, t.Context(), "-join "+me+" -me "+me)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// Two nodes of a cluster that spans processes: one serves, one proposes.
func TestJoin_ServesAndProposes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two processes")
	}
	ids, release, err := freeaddr.Hold(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	list := nodeaddr.List(ids)
	o, err := parseArgs([]string{"-dir", t.TempDir(), "-join", list, "-me", ids[1].String()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- bench(ctx, o, io.Discard, io.Discard) }()
	stdout, _, err := smoke(t, t.Context(), "-join "+list+" -me "+ids[0].String()+" -callers 3 -seconds 0.3 -warmup 0")
	if err != nil || !strings.Contains(stdout, "costs are those of this node alone") {
		t.Errorf("%v\n%s", err, stdout)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("the serving node: %v", err)
	}
}

// Children of a parent that was killed end and remove what they wrote.
func TestKilledParentLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts four processes")
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"=-seconds 60 -dir "+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	waiting.True(t, "the nodes have directories", func() bool { return count(t, dir, "*/node*/g0") == 3 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waiting.True(t, "everything is gone", func() bool { return count(t, dir, "*") == 0 })
}

func count(t *testing.T, dir, pattern string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// With a disk that stands still the others go on, and an idle cluster is idle.
func TestSmokeStalledAndIdle(t *testing.T) {
	stdout, _, err := smoke(t, t.Context(), "-groups 2 -callers 0,40 -seconds 3 -warmup 0.2 -stall 1s -json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Loads []*figures }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Loads) != 4 {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if idle := got.Loads[0]; idle.Ops != 0 || idle.Stalled || idle.Start <= 0 {
		t.Errorf("idle: %+v", idle)
	}
	if stalled := got.Loads[3]; stalled.Ops == 0 || !stalled.Stalled || stalled.Callers != 40 {
		t.Errorf("stalled: %+v", stalled)
	}
	// The node whose disk stood still wrote next to nothing.
	nodes := got.Loads[3].Nodes
	if nodes[0].DataSyncs > nodes[1].DataSyncs/2 {
		t.Errorf("%d and %d syncs", nodes[0].DataSyncs, nodes[1].DataSyncs)
	}
}
