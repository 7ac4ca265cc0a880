package certtest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
)

// For is New in a directory that is removed with the test.
func For(t testing.TB) *Authority {
	t.Helper()
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Issue is a.Issue, whose error ends the test.
func Issue(t testing.TB, a *Authority, l Leaf) Pair {
	t.Helper()
	p, err := a.Issue(l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Named is a certificate with a name.
func Named(name string) Leaf { return Leaf{Names: []string{name}} }

// Guard returns a guard with a certificate, and what it reports. It lets
// *.nodes.example in and looks at its files every 10 ms, unless change, which
// may be nil, says otherwise.
func Guard(t testing.TB, a *Authority, l Leaf, change func(*certs.Config)) (*certs.Guard, *Events, *Log) {
	t.Helper()
	p, events, log := Issue(t, a, l), new(Events), new(Log)
	c := certs.Config{
		CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: a.CAFile, Allow: []string{"*.nodes.example"},
		CheckInterval: 10 * time.Millisecond, Observer: events, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&c)
	}
	g, err := certs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g, events, log
}

// Events is an observer that remembers. It is safe for concurrent use.
type Events struct {
	mu  sync.Mutex
	all []event.Event
}

// Observe implements event.Observer.
func (r *Events) Observe(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

// Count counts events of a kind whose error contains text; with "" also those
// without one.
func (r *Events) Count(kind event.Kind, text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		if e.Kind == kind && (text == "" || e.Err != nil && strings.Contains(e.Err.Error(), text)) {
			n++
		}
	}
	return n
}

// Log is where a log goes that a test looks into. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count says how often a text was logged.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }

// HoldIDs is freeaddr.Hold, whose error ends the test, with a release at the
// end of the test. Call it before the nodes are started: then it keeps their
// ports until their cleanups have run.
func HoldIDs(t testing.TB, n int) []nodeid.ID {
	t.Helper()
	ids, release, err := freeaddr.Hold(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return ids
}

// Eventually waits until something holds, and ends the test if it does not.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}
