package phxpaxos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
)

// access is one read or write of a register; for writes value is what was
// written, for reads what was read.
type access struct {
	write bool
	name  string
	value string
}

// registerModel is a set of registers that are independent of each other.
var registerModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byName := map[string][]porcupine.Operation{}
		for _, op := range history {
			name := op.Input.(access).name
			byName[name] = append(byName[name], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byName {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "-" },
	Step: func(state, input, output any) (bool, any) {
		in := input.(access)
		if in.write {
			return true, in.value
		}
		return output == state, state
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " -> ", output) },
}

// clients make a history. A write that was not acknowledged may take effect
// at any later time, so it ends with the history; a read without an answer
// says nothing.
type clients struct {
	c       *children
	start   time.Time
	reads   []string // the ways to read
	stop    chan struct{}
	counter atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
	counts  map[string]int
}

const (
	clientCount   = 6
	registerCount = 3
	answerWithin  = 300 * time.Millisecond // then a client goes on, its write stays open
	unknownMost   = 12                     // open writes of one register; more take the checker too long
)

func (h *clients) now() int64 { return int64(time.Since(h.start)) }

// run is one client.
func (h *clients) run(id int) {
	open := map[string]int{}
	for {
		select {
		case <-h.stop:
			return
		case <-time.After(time.Duration(rand.IntN(4)) * time.Millisecond):
		}
		name := fmt.Sprint("r", rand.IntN(registerCount))
		op := porcupine.Operation{ClientId: id, Input: access{name: name}}
		command, args := h.reads[rand.IntN(len(h.reads))], []string{name}
		if rand.IntN(3) == 0 && open[name] < unknownMost/clientCount {
			value := fmt.Sprint(h.counter.Add(1))
			command, args = "write", []string{name, value}
			op.Input = access{true, name, value}
		}
		op.Call = h.now()
		words := h.answer(h.c.nodes[rand.IntN(len(h.c.nodes))].ask(command, args...))
		op.Return = h.now()
		code := ""
		if len(words) > 0 {
			code = words[0]
		}
		switch {
		case code == "0" && command != "write":
			op.Output = words[1]
		case code == "0":
		case command == "write" && code == refused:
			continue
		case command == "write":
			open[name]++
			op.Return = int64(24 * time.Hour)
		default:
			continue
		}
		h.mu.Lock()
		h.history = append(h.history, op)
		if op.Return < int64(24*time.Hour) {
			h.counts[command]++
		} else {
			h.counts["open writes"]++
		}
		h.mu.Unlock()
	}
}

func (h *clients) answer(answer <-chan []string) []string {
	if answer == nil {
		return []string{refused} // it was down: nothing was asked
	}
	select {
	case words := <-answer:
		return words
	case <-time.After(answerWithin):
		return nil
	}
}

// Writes and reads at all nodes of a cluster of processes, some of which are
// killed and paused, are as if there was one copy of everything.
func TestLinearizable(t *testing.T) {
	for _, test := range []struct {
		name  string
		fence bool
		reads []string
	}{
		{"any node writes", false, []string{"index"}},
		{"fenced", true, []string{"index", "lease"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			end := time.Now().Add(duration(t, 7*time.Second))
			most, missing := end.Add(await.Limit(t)), ""
			for time.Now().Before(end) || missing != "" && time.Now().Before(most) {
				missing = linearizable(t, test.fence, test.reads, 7*time.Second)
			}
			if missing != "" {
				t.Errorf("no %s succeeded: nothing was tested", missing)
			}
		})
	}
}

// linearizable makes a history and checks it. On a busy machine no answer of a
// kind may have come in time; it returns such a kind, "" if there is none.
func linearizable(t *testing.T, fence bool, reads []string, while time.Duration) (missing string) {
	c := startChildren(t, 3, childConfig{Lease: time.Second, Fence: fence}, func(int, []string) {})
	h := &clients{c: c, start: time.Now(), reads: reads, stop: make(chan struct{}), counts: map[string]int{}}
	var wg sync.WaitGroup
	for id := range clientCount {
		wg.Go(func() { h.run(id) })
	}
	for end := time.Now().Add(while); time.Now().Before(end); {
		strike(c)
	}
	close(h.stop)
	wg.Wait()
	for _, p := range c.nodes {
		p.kill()
	}
	t.Logf("%v", h.counts)
	for _, kind := range append(reads, "write") {
		if h.counts[kind] == 0 {
			missing = kind
		}
	}
	result, info := porcupine.CheckOperationsVerbose(registerModel, h.history, await.Limit(t))
	if result == porcupine.Ok {
		return missing
	}
	file, err := os.CreateTemp("", "history-*.html")
	must(t, err)
	defer file.Close()
	must(t, porcupine.Visualize(registerModel, info, file))
	t.Fatalf("the history of %d operations is %s; see %s", len(h.history), result, file.Name())
	return ""
}

// strike kills or pauses one node for a moment; the others go on.
func strike(c *children) {
	p := c.nodes[rand.IntN(len(c.nodes))]
	wait := func(least, span time.Duration) { <-time.After(least + time.Duration(rand.Int64N(int64(span)))) }
	switch rand.IntN(4) {
	case 0:
		p.kill()
		wait(0, 500*time.Millisecond)
		p.start()
	case 1, 2:
		p.signal(syscall.SIGSTOP)
		wait(100*time.Millisecond, 1500*time.Millisecond)
		p.signal(syscall.SIGCONT)
	default:
		for _, q := range c.nodes {
			q.ask("transfer", c.nodes[0].config.Me.String())
		}
	}
	wait(200*time.Millisecond, 800*time.Millisecond)
}
