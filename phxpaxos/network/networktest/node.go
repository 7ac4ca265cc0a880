package networktest

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// patience is how long the suite waits for what has to happen, and again how
// long at least before it sends a packet once more.
const (
	patience = 60 * time.Second
	again    = 300 * time.Millisecond
)

type digest [sha256.Size]byte

// node is a started network and what arrived there.
type node struct {
	network.Network
	id nodeid.ID

	mu      sync.Mutex
	arrived map[digest]int
}

func (n *node) receive(packet []byte) {
	d := digest(sha256.Sum256(packet))
	n.mu.Lock()
	n.arrived[d]++
	n.mu.Unlock()
}

func (n *node) has(d digest) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.arrived[d] > 0
}

// ids returns ids that are held until the nodes that the test starts with them
// are closed, or fails the test.
func ids(t *testing.T, n int) []nodeid.ID {
	t.Helper()
	ids, release, err := freeaddr.Hold(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return ids
}

// start starts a node that the test closes at its end.
func (s Suite) start(t *testing.T, id nodeid.ID) *node {
	t.Helper()
	n := &node{Network: s.New(t, id), id: id, arrived: make(map[digest]int)}
	s.startWith(t, n, n.receive)
	return n
}

// startWith starts a node with a receive function of its own.
func (s Suite) startWith(t *testing.T, n *node, receive network.Receive) {
	t.Helper()
	if err := n.Start(receive); err != nil {
		t.Fatalf("Start of %v: %v", n.id, err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close of %v: %v", n.id, err)
		}
	})
}

func (s Suite) startAll(t *testing.T, n int) []*node {
	t.Helper()
	var nodes []*node
	for _, id := range ids(t, n) {
		nodes = append(nodes, s.start(t, id))
	}
	return nodes
}

// packet returns size bytes that differ for each seed as far as size allows.
func packet(seed uint64, size int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	p := make([]byte, size)
	rand.NewChaCha8(key).Read(p)
	return p
}

// deliver sends the packets from one node to another until all have arrived.
func deliver(t *testing.T, from, to *node, packets [][]byte, class network.Class) {
	t.Helper()
	deliverBy(t, to, packets, func(p []byte) { from.Send(to.id, p, class) })
}

// deliverBy calls send for the packets until all have arrived at a node.
func deliverBy(t *testing.T, to *node, packets [][]byte, send func([]byte)) {
	t.Helper()
	missing := make(map[digest][]byte)
	for _, p := range packets {
		missing[digestOf(p)] = p
	}
	var sent time.Time
	wait := time.Duration(0) // doubles, or a slow machine would drown in what is sent again
	eventually(t, "packets arrive", func() bool {
		for d := range missing {
			if to.has(d) {
				delete(missing, d)
			}
		}
		if len(missing) > 0 && time.Since(sent) > wait {
			sent, wait = time.Now(), min(max(again, 2*wait), 16*again)
			for _, p := range missing {
				send(p)
			}
		}
		return len(missing) == 0
	})
}

func digestOf(p []byte) digest { return sha256.Sum256(p) }

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
		time.Sleep(time.Millisecond) // between two looks, nothing relies on it
	}
}

// within fails the test if run has not returned after the time.
func within(t *testing.T, limit time.Duration, what string, run func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s takes longer than %v", what, limit)
	}
}
