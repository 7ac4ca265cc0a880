package statemachine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

// patient answers as a question says, in its own time.
type patient struct {
	*ledger.Ledger
	held atomic.Int64 // questions that wait
}

func (p *patient) Query(ctx context.Context, group int, request []byte) ([]byte, error) {
	switch string(request) {
	case "wait":
		p.held.Add(1)
		defer p.held.Add(-1)
		<-ctx.Done()
		return nil, ctx.Err()
	case "hang":
		select {}
	case "held":
		return strconv.AppendInt(nil, p.held.Load(), 10), nil
	case "fail":
		return nil, errors.New("no such key")
	}
	return fmt.Appendf(nil, "%d %s", group, request), nil
}

func answering(t *testing.T, o statemachine.Options) (statemachine.Machine, *lines) {
	t.Helper()
	log := &lines{}
	o.Logger = log.logger()
	m, err := load(t.TempDir(), "answers", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, log
}

func ask(t *testing.T, m statemachine.Machine, question string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	answer, err := m.Query(ctx, 0, []byte(question))
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return string(answer)
}

// holds waits until so many questions wait in the process.
func holds(t *testing.T, m statemachine.Machine, n int) {
	t.Helper()
	await.True(t, fmt.Sprintf("%d questions wait in the process", n), func() bool { return ask(t, m, "held") == strconv.Itoa(n) })
}

// Everybody gets the answer to what was asked, also if many ask at once and
// some answers are errors, or large.
func TestManyQueries(t *testing.T) {
	m, _ := answering(t, statemachine.Options{})
	large := string(bytes.Repeat([]byte("x"), 3<<20))
	var callers sync.WaitGroup
	for i := range 100 {
		callers.Go(func() {
			for k := range 20 {
				question := fmt.Sprint(i, k)
				if i == 0 && k == 10 {
					question += large
				}
				answer, err := m.Query(t.Context(), i, []byte(question))
				if want := fmt.Sprintf("%d %s", i, question); err != nil || string(answer) != want {
					t.Errorf("%.50q was answered by %.50q, %v", question, answer, err)
				}
				if _, err := m.Query(t.Context(), i, []byte("fail")); err == nil || !strings.Contains(err.Error(), "no such key") {
					t.Errorf("a query that fails ended with %v", err)
				}
			}
		})
	}
	callers.Wait()
}

// Slow queries hold up nobody, and end when nobody waits for them any more.
func TestSlowQueries(t *testing.T) {
	m, log := answering(t, statemachine.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for range 50 {
		slow.Go(func() {
			if _, err := m.Query(ctx, 0, []byte("wait")); !errors.Is(err, context.Canceled) {
				t.Errorf("a query that was cancelled ended with %v", err)
			}
		})
	}
	holds(t, m, 50)
	cancel()
	slow.Wait()
	holds(t, m, 0)
	if text := log.String(); strings.Contains(text, "failed") {
		t.Errorf("the process had to end: %s", text)
	}
}

// A query that hangs is the end of the process, and of nothing else.
func TestHangingQuery(t *testing.T) {
	m, log := answering(t, statemachine.Options{CallTimeout: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan error, 1)
	go func() {
		_, err := m.Query(ctx, 0, []byte("hang"))
		hung <- err
	}()
	log.shows(t, "no answer within 300ms, it hangs", "state machine runs again")
	cancel() // or it would hang in the next one as well
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Errorf("the query that hangs ended with %v", err)
	}
}

// A process that has no stream of queries is asked one by one.
func TestQueriesOneByOne(t *testing.T) {
	m, err := load(t.TempDir(), "answers one by one", statemachine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if answer := ask(t, m, "x"); answer != "alone: x" {
		t.Errorf("answered %q", answer)
	}
}

func TestAnswerThatNobodyAskedFor(t *testing.T) {
	var log lines
	m, err := load(t.TempDir(), "answers what nobody asked", statemachine.Options{Logger: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask(t, m, "the truth")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := m.Query(ctx, 0, []byte("lie"))
		done <- err
	}()
	log.shows(t, "it answered query 3, 2 were asked")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the query ended with %v", err)
	}
}
