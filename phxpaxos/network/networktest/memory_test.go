package networktest_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// hub is the simplest thing that may call itself a network: it shows that the
// suite asks for nothing but the contract, sockets least of all.
type hub struct {
	mu    sync.Mutex
	nodes map[nodeid.ID]*memory
}

type memory struct {
	hub   *hub
	me    nodeid.ID
	inbox chan []byte
	stop  chan struct{}

	mu      sync.Mutex
	started bool
	closed  bool
	wg      sync.WaitGroup
}

func (m *memory) Start(receive network.Receive) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return network.ErrClosed
	}
	if m.started {
		return errors.New("started before")
	}
	m.started = true
	m.hub.mu.Lock()
	m.hub.nodes[m.me] = m
	m.hub.mu.Unlock()
	m.wg.Go(func() {
		for {
			select {
			case <-m.stop:
				return
			case p := <-m.inbox:
				receive(p)
			}
		}
	})
	return nil
}

// Send loses what the other's inbox has no room for, as it may.
func (m *memory) Send(to nodeid.ID, packet []byte, _ network.Class) {
	m.hub.mu.Lock()
	other := m.hub.nodes[to]
	m.hub.mu.Unlock()
	if other == nil {
		return
	}
	select {
	case other.inbox <- bytes.Clone(packet):
	default:
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.stop)
		m.hub.mu.Lock()
		if m.hub.nodes[m.me] == m {
			delete(m.hub.nodes, m.me)
		}
		m.hub.mu.Unlock()
	}
	m.wg.Wait()
	return nil
}

func TestSuiteWithoutSockets(t *testing.T) {
	h := &hub{nodes: make(map[nodeid.ID]*memory)}
	networktest.Suite{
		New: func(_ testing.TB, me nodeid.ID) network.Network {
			return &memory{hub: h, me: me, inbox: make(chan []byte, 50), stop: make(chan struct{})}
		},
		PacketBytesMax: 1 << 20,
	}.Run(t)
}
