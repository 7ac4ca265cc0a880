package tlsnet_test

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

const soon = 30 * time.Second

// recorder remembers events.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Observe(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// count counts events of a kind whose error contains text.
func (r *recorder) count(kind event.Kind, text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if e.Kind == kind && (text == "" || e.Err != nil && strings.Contains(e.Err.Error(), text)) {
			n++
		}
	}
	return n
}

// lines is where a log goes.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func authority(t testing.TB) *certtest.Authority {
	t.Helper()
	a, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t testing.TB, a *certtest.Authority, l certtest.Leaf) certtest.Pair {
	t.Helper()
	p, err := a.Issue(l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func named(name string) certtest.Leaf { return certtest.Leaf{Names: []string{name}} }

// guard returns a guard with a certificate, and what it reports.
func guard(t testing.TB, a *certtest.Authority, l certtest.Leaf, change func(*certs.Config)) (*certs.Guard, *recorder, *lines) {
	t.Helper()
	p := issue(t, a, l)
	rec, log := new(recorder), new(lines)
	cfg := certs.Config{
		CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: a.CAFile, Allow: []string{"*.nodes.example"},
		CheckInterval: 10 * time.Millisecond, Observer: rec, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	g, err := certs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g, rec, log
}

func freeIDs(t testing.TB, n int) []nodeid.ID {
	t.Helper()
	ids, err := networktest.FreeIDs(n)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// node is a started network.
type node struct {
	*network.TCP
	id  nodeid.ID
	in  chan []byte
	rec recorder
}

func start(t testing.TB, id nodeid.ID, g *certs.Guard) *node {
	t.Helper()
	n := &node{id: id, in: make(chan []byte, 10000)}
	tcp, err := tlsnet.New(network.Config{Me: id, Observer: &n.rec, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond}, g)
	if err != nil {
		t.Fatal(err)
	}
	n.TCP = tcp
	if err := tcp.Start(func(p []byte) { n.in <- p }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tcp.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return n
}

func (n *node) got(t testing.TB) string {
	t.Helper()
	select {
	case p := <-n.in:
		return string(p)
	case <-time.After(soon):
		t.Fatal("no packet arrives")
		return ""
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

var clientOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
