package statemachine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
)

// pid asks the process for its id.
func (d *driver) pid() int {
	d.t.Helper()
	id, err := strconv.Atoi(string(d.query("pid")))
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

func (d *driver) signal(sig syscall.Signal) (pid int) {
	d.t.Helper()
	pid = d.pid()
	if err := syscall.Kill(pid, sig); err != nil {
		d.t.Fatal(err)
	}
	return pid
}

func (d *driver) kill() { d.signal(syscall.SIGKILL) }

// gone waits until a process has ended.
func gone(t *testing.T, id int) {
	t.Helper()
	await.True(t, fmt.Sprintf("process %d ends", id), func() bool { return syscall.Kill(id, 0) != nil })
}

func TestKilledProcess(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	for i := range 5 {
		d.decide(fmt.Sprint(i), "x")
	}
	d.kill()
	d.decide("5", "y")
	d.equal()
	if len(d.rewinds) != 1 || d.rewinds[0] != 2 {
		t.Errorf("fell back to %d, want once to 2", d.rewinds)
	}
	d.lines.shows(t, "state machine failed, it is started again", "signal: killed", "state machine runs again")
}

// A process that is started again is started where the first one was.
func TestKilledProcessAfterChdir(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("work", 0o755); err != nil {
		t.Fatal(err)
	}
	d := newDriver(t, "ledger", statemachine.Options{Dir: "work"})
	d.decide("0", "x")
	t.Chdir(t.TempDir())
	d.kill()
	d.decide("1", "y")
	d.equal()
}

func TestHangingProcess(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{CallTimeout: 300 * time.Millisecond})
	d.decide("a")
	d.signal(syscall.SIGSTOP)
	// On a busy machine a signal takes its time; until then it answers.
	for end := time.Now().Add(await.Limit(t)); len(d.rewinds) == 0; {
		d.decide("b")
		if time.Now().After(end) {
			t.Fatalf("it did not fall back: %s", &d.lines)
		}
	}
	d.equal()
	d.lines.shows(t, "no answer within 300ms, it hangs", "signal: killed")
}

func unheard() bool { return true }

// Where nobody waits for results the caller goes on while the process executes;
// who reads the state waits.
func TestUnheard(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	d.discards = unheard
	d.decide("a", "answer late")
	for i := range 10 {
		d.decide(fmt.Sprint(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.m.Query(ctx, 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("query of a state that is not there yet: %v", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "answer"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.equal()
	d.discards = nil
	d.decide("heard") // comes behind all that
	d.equal()
	if at := d.m.(sm.Checkpointer).CheckpointInstance(0); at != 11 || len(d.rewinds) > 0 {
		t.Errorf("checkpoint %d, fell back %d times", int64(at), len(d.rewinds))
	}
}

// Who waits for a result has the whole of CallTimeout, however long what was
// given before takes.
func TestUnheardAndSlow(t *testing.T) {
	t.Parallel()
	d := newDriver(t, "ledger", statemachine.Options{CallTimeout: 10 * time.Second})
	d.discards = unheard
	for range 8 {
		d.decide("slow")
	}
	d.discards = nil
	d.decide("heard")
	d.equal()
	if len(d.rewinds) > 0 {
		t.Errorf("the process was ended: %s", &d.lines)
	}
}

// Nobody is told of a failure then, so the process starts anew, and nothing
// that came behind it is executed before it.
func TestUnheardFailure(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	d.discards = unheard
	d.decide("a", "b", "fail once", "c")
	for i := range 20 {
		d.decide(fmt.Sprint(i))
	}
	d.equal()
	d.lines.shows(t, "it cannot execute what was decided: disk is full")
	if len(d.rewinds) == 0 {
		t.Error("it did not start anew")
	}
}

// A process that hangs is noticed also when it is given more than fits between
// the two.
func TestUnheardHang(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{CallTimeout: 300 * time.Millisecond})
	d.discards = unheard
	d.decide("a")
	d.signal(syscall.SIGSTOP)
	for end := time.Now().Add(await.Limit(t)); len(d.rewinds) == 0; {
		d.decide(strings.Repeat("b", 10_000))
		if time.Now().After(end) {
			t.Fatalf("it did not fall back: %s", &d.lines)
		}
	}
	d.equal()
	d.lines.shows(t, "no answer within 300ms, it hangs", "signal: killed")
}

// A process that hangs is noticed also when nobody calls it.
func TestIdleHangingProcess(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{CallTimeout: 200 * time.Millisecond, PingInterval: 20 * time.Millisecond})
	d.decide("a")
	old := d.signal(syscall.SIGSTOP)
	select {
	case <-d.woken:
	case <-time.After(await.Limit(t)):
		t.Fatal("nobody noticed")
	}
	gone(t, old)
	// The state is old until the group has done its part.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.m.Query(ctx, 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("query of an old state: %v", err)
	}
	d.equal()
}

func TestDyingWhileExecuting(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	for i := range 4 {
		d.decide(fmt.Sprint(i))
	}
	d.decide("a", "b", "die once", "c")
	d.decide("d")
	d.equal()
	if len(d.rewinds) == 0 {
		t.Error("it did not die")
	}
}

// A value that kills every process that executes it: the group waits, other
// groups go on in between, the pauses grow, and the log says why.
func TestPoison(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{RestartPauseMin: time.Millisecond, RestartPauseMax: 20 * time.Millisecond})
	d.decide("a")
	for range 5 {
		for !d.rewind(nil) {
		}
		if _, err := d.m.ExecuteBatch(instance(1, "panic"), nil); !errors.Is(err, sm.ErrInterrupted) {
			t.Fatal(err)
		}
		select {
		case <-d.woken:
		case <-time.After(await.Limit(t)):
			t.Fatal("no new process")
		}
	}
	d.lines.shows(t, "value that nobody expected")
	d.decide("b")
	d.equal()
}

func TestNodeThatIsOpenedAgain(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	for i := range 5 {
		d.decide(fmt.Sprint(i))
	}
	// A new node begins behind the checkpoint; the process has more in memory.
	at := d.m.(sm.Checkpointer).CheckpointInstance(0)
	if _, err := d.m.ExecuteBatch(d.log[at+1], nil); !errors.Is(err, sm.ErrInterrupted) {
		t.Fatalf("entries that were executed are executed again: %v", err)
	}
	d.decide("5")
	d.equal()
}

func TestNonsenseEndsTheProcess(t *testing.T) {
	for mode, want := range map[string]string{
		"too few results":           "given 2 entries and answered with 1 results",
		"too many results":          "given 2 entries and answered with 3 results",
		"all results and a failure": "given 2 entries and answered with 2 results, and a failure",
		"checkpoint of the future":  "says that its durable state includes instance 1; it has everything below 1",
		"huge answer":               "message larger than max",
		"answers late":              "no answer within 300ms",
		"unknown error":             "no idea",
		"hangs up":                  "EOF",

		onSocket + "too few results":     "given 2 entries and answered with 1 results",
		onSocket + "huge answer":         "message of 209715205 bytes, must be at most 134217728",
		onSocket + "answers late":        "no answer within 300ms",
		onSocket + "hangs up":            "receive results: EOF",
		onSocket + "ends within a frame": "receive results: unexpected EOF",
		onSocket + "is no message":       "receive results: proto",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			o := statemachine.Options{}
			if strings.HasSuffix(mode, "answers late") {
				o.CallTimeout = 300 * time.Millisecond
			}
			d := newDriver(t, mode, o)
			results, err := d.m.ExecuteBatch(instance(0, "lie", "x"), nil)
			if !errors.Is(err, sm.ErrInterrupted) || !strings.Contains(err.Error(), want) || len(results) != 0 {
				t.Errorf("%d results, %v, want %q", len(results), err, want)
			}
			for end := time.Now().Add(await.Limit(t)); ; d.wait(end) {
				if !d.rewind(nil) || len(d.rewinds) == 0 {
					continue
				}
				// On a busy machine the new process may take too long as well.
				results, err := d.m.ExecuteBatch(instance(0, "x", "y"), nil)
				if err == nil && len(results) == 2 {
					return
				}
				if !errors.Is(err, sm.ErrInterrupted) {
					t.Fatalf("afterwards: %d results, %v", len(results), err)
				}
			}
		})
	}
}

func TestAnotherMachineTakesItsPlace(t *testing.T) {
	d := newDriver(t, "changes its id", statemachine.Options{})
	d.m.ExecuteBatch(instance(0, "lie"), nil)
	d.lines.shows(t, "state machine cannot be started again", "it describes itself as")
	if _, ok := d.m.Rewound(0); ok {
		t.Error("a machine with another id is used")
	}
	if _, err := d.m.ExecuteBatch(instance(0, "x"), nil); !errors.Is(err, sm.ErrInterrupted) || !strings.Contains(err.Error(), "describes itself") {
		t.Errorf("the error does not say why: %v", err)
	}
}

// A host that is killed takes its process with it, even one that stands still.
func TestHostDies(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		path, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path)
		cmd.Env = append(os.Environ(), childMode+"=host", childDir+"="+t.TempDir())
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		id, convErr := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || convErr != nil {
			cmd.Process.Kill()
			t.Fatalf("%q, %v", line, err)
		}
		if stopped {
			syscall.Kill(id, syscall.SIGSTOP)
		}
		cmd.Process.Kill()
		cmd.Wait()
		gone(t, id)
	}
}

// TestManyCrashes kills and stops at random moments while entries are executed.
func TestManyCrashes(t *testing.T) {
	for i, mode := range []string{"ledger", "memory", "ledger", "memory"} {
		d := newDriver(t, mode, statemachine.Options{CallTimeout: 400 * time.Millisecond})
		r := rand.New(rand.NewPCG(1, 2))
		if i >= 2 {
			d.discards = func() bool { return r.IntN(4) > 0 }
		}
		for round := range 8 {
			sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGSTOP}[r.IntN(3)]
			id, at := d.pid(), time.Duration(r.IntN(5000))*time.Microsecond
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(at) // a moment by chance
				syscall.Kill(id, sig)
			}()
			for i := range 10 {
				d.decide(fmt.Sprint(round, i), "x", "y")
			}
			<-done
			d.decide("behind it")
			d.equal()
		}
		if len(d.rewinds) < 5 {
			t.Errorf("%s: fell back %d times only", mode, len(d.rewinds))
		}
	}
}
