package phxkv_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// withProgram are the flags of a server whose state machine is a program of
// its own.
var withProgram = []string{"-sm", "./phxkv_sm"}

// child is the process of server i's state machine, 0 if there is none now.
func (c *cluster) child(i int) (pid int) {
	c.t.Helper()
	dir, err := filepath.EvalSymlinks(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range lines {
		line, err := os.ReadFile(name)
		words := strings.Split(string(line), "\x00")
		if err != nil || len(words) < 2 || filepath.Base(words[0]) != "phxkv_sm" || words[1] != c.kvPath(i) {
			continue
		}
		proc := filepath.Dir(name)
		if in, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil && in == dir {
			pid, err := strconv.Atoi(filepath.Base(proc))
			if err != nil {
				c.t.Fatal(err)
			}
			return pid
		}
	}
	return 0
}

// writer is the only one who writes a key, so it knows what the key may hold.
type writer struct {
	key     string
	version uint64
	unknown bool // the present attempt may have happened
}

func (w *writer) value(version uint64) string { return fmt.Sprint(w.key, " of version ", version) }

// step writes once, and looks what became of it if that is not certain.
func (w *writer) step(ctx context.Context, k *client.Client) (acknowledged bool, err error) {
	answer := k.Put(ctx, w.key, []byte(w.value(w.version+1)), w.version)
	if answer.Code == phxkv.CodeOK {
		w.version, w.unknown = w.version+1, false
		return true, nil
	}
	if answer.Code == phxkv.CodeVersionConflict && !w.unknown {
		return false, fmt.Errorf("%s: conflict at version %d", w.key, w.version)
	}
	w.unknown = true
	for ctx.Err() == nil {
		answer := k.GetGlobal(ctx, w.key)
		if answer.Code != phxkv.CodeOK && answer.Code != phxkv.CodeNotExist {
			continue // no master, or no state machine, for now
		}
		return false, w.found(answer.Data)
	}
	return false, nil
}

// found compares what is there with what may be there.
func (w *writer) found(data *phxkv.Data) error {
	switch {
	case data.Version == w.version+1 && w.unknown:
		w.version, w.unknown = w.version+1, false
	case data.Version != w.version:
		return fmt.Errorf("%s has version %d, acknowledged was %d", w.key, data.Version, w.version)
	}
	if w.version > 0 && string(data.Value) != w.value(w.version) {
		return fmt.Errorf("%s holds %q at version %d", w.key, data.Value, w.version)
	}
	return nil
}

// Processes of state machines are killed while clients write. Nothing that was
// acknowledged is lost, nothing happens twice, and all servers come to what
// the one holds whose state machine is part of it.
func TestKilledStateMachines(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("finds processes by /proc")
	}
	c := newCluster(t, 3)
	c.own = map[int][]string{0: withProgram, 1: withProgram}
	c.startAll()
	if pid := c.child(2); pid != 0 {
		t.Fatalf("server 2 has a process %d", pid)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var acknowledged atomic.Int64
	var writers []*writer
	for n := range 6 {
		w := &writer{key: groupKeys[n%3] + fmt.Sprint(n)}
		writers = append(writers, w)
		k := c.client(n % 3)
		load.Go(func() {
			for ctx.Err() == nil {
				ok, err := w.step(ctx, k)
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					acknowledged.Add(1)
				}
			}
		})
	}
	for round := range 6 {
		progress := acknowledged.Load() + 30
		await.True(t, "progress", func() bool { return acknowledged.Load() >= progress || t.Failed() })
		pid := c.child(round % 2)
		if pid == 0 {
			t.Fatalf("round %d: server %d has no process", round, round%2)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await.True(t, "another process", func() bool {
			now := c.child(round % 2)
			return now != 0 && now != pid
		})
	}
	stop()
	load.Wait()
	c.equal(writers)

	// Both forms leave the same on disk.
	c.own = map[int][]string{2: withProgram}
	for i := range c.ids {
		c.terminate(i)
	}
	c.startAll()
	c.equal(writers)
	for i := range c.ids {
		c.terminate(i)
		if pid := c.child(i); pid != 0 {
			t.Errorf("server %d has left process %d behind", i, pid)
		}
	}
}

// equal waits until all servers show the same, and compares that with what was
// written.
func (c *cluster) equal(writers []*writer) {
	c.t.Helper()
	for _, w := range writers {
		await.True(c.t, "a read of "+w.key, func() bool {
			ctx, cancel := context.WithTimeout(c.t.Context(), callLimit)
			defer cancel()
			answer := c.client(0).GetGlobal(ctx, w.key)
			if answer.Code != phxkv.CodeOK {
				return false
			}
			if err := w.found(answer.Data); err != nil {
				c.t.Error(err)
			}
			return true
		})
	}
	(&walk{cluster: c}).settled()
}

// A server says why its state machine cannot be used.
func TestBadPrograms(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	for program, want := range map[string]string{
		"no/such/program":      "correct the path behind -sm",
		"/bin/true":            "did not start as a state machine",
		"./phxkv_client_tools": "did not start as a state machine",
	} {
		out, exit := shell(t, c.dir, fmt.Sprintf("./phxkv_grpcserver -sm %s %s %s %s kv log 2>&1", program, c.grpc(0), c.ids[0], c.ids[0]))
		if exit != 255 || !strings.Contains(out, "server init fail, ret -1\n") || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, %q, want %q", program, exit, out, want)
		}
	}
	for command, want := range map[string]string{"./phxkv_sm": "two arguments", "./phxkv_sm kv log": "not by hand"} {
		if out, exit := shell(t, c.dir, command+" 2>&1"); exit != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, %q, want %q", command, exit, out, want)
		}
	}
}

// The log has the original's layout unless something else is asked for, and
// keeps the one that it has.
func TestLogLayout(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	layout := func(want string) {
		t.Helper()
		_, err := os.Stat(filepath.Join(c.dir, c.logPath(0), "shared"))
		if shared := err == nil; shared != (want == "shared") {
			t.Errorf("the log is a shared one: %v, want the layout %s", shared, want)
		}
	}
	c.start(0)
	c.terminate(0)
	layout("original")
	if err := os.RemoveAll(filepath.Join(c.dir, "storage")); err != nil {
		t.Fatal(err)
	}
	c.flags = append(c.flags, "-log_layout", "shared")
	c.start(0)
	c.terminate(0)
	layout("shared")
	c.flags[len(c.flags)-1] = "auto"
	c.start(0)
	c.terminate(0)
	layout("shared")
	for flags, want := range map[string]string{"": "start with -log_layout auto", "-log_layout new": "must be original, shared or auto"} {
		out, exit := shell(t, c.dir, fmt.Sprintf("./phxkv_grpcserver %s %s %s %s %s %s 2>&1", flags, c.grpc(0), c.ids[0], c.ids[0], c.kvPath(0), c.logPath(0)))
		if exit != 255 || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d, %q, want %q", flags, exit, out, want)
		}
	}
}
