package statemachine_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
)

// TestAnotherLanguage drives the example in JavaScript, through crashes.
func TestAnotherLanguage(t *testing.T) {
	dir, err := filepath.Abs("example_node")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed: the example in JavaScript is not tested")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("run npm install in plugin/statemachine/example_node: without it the example in JavaScript is not tested")
	}
	var out lines
	m, err := statemachine.Load(filepath.Join(dir, "adder.js"), statemachine.Options{
		Args: []string{t.TempDir()}, Logger: out.logger(), RestartPauseMin: time.Millisecond, RestartPauseMax: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out.shows(t, `level=INFO msg="adder is ready"`)
	d := &driver{t: t, woken: make(chan struct{}, 1)}
	d.attach(m)
	sum := 0
	for i := range 35 {
		if i%9 == 8 {
			d.signal(syscall.SIGKILL)
		}
		values := []string{strconv.Itoa(i), "nonsense", "5"}
		var results [][]byte
		for end := time.Now().Add(await.Limit(d.t)); ; d.wait(end) {
			if d.rewind(nil) {
				if d.ahead {
					t.Fatal("it says that it has an instance which it was not given")
				}
				if results, err = m.ExecuteBatch(instance(uint64(i), values...), nil); err == nil {
					break
				}
				if !errors.Is(err, sm.ErrInterrupted) {
					t.Fatal(err)
				}
			}
		}
		d.log = append(d.log, instance(uint64(i), values...))
		sum += i + 5
		if want := fmt.Sprint(sum); string(results[2]) != want || string(results[1]) != "refused: not a number" {
			t.Fatalf("instance %d: results %q, want %s", i, results, want)
		}
	}
	if got := string(d.query("sum")); got != fmt.Sprint(sum) {
		t.Errorf("sum is %s, want %d", got, sum)
	}
	if at := m.(sm.Checkpointer).CheckpointInstance(0); at != 29 {
		t.Errorf("checkpoint is %d, want 29", int64(at))
	}
	if len(d.rewinds) < 3 {
		t.Errorf("fell back to %d only", d.rewinds)
	}
}
