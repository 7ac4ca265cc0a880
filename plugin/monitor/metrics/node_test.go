package metrics_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// echo answers with the value.
type echo struct{}

func (echo) ID() sm.ID                          { return 1 }
func (echo) Execute(e sm.Entry) ([]byte, error) { return e.Value, nil }

// silence is a network that carries nothing: the nodes here are alone.
type silence struct{}

func (silence) Start(network.Receive) error           { return nil }
func (silence) Send(nodeid.ID, []byte, network.Class) {}
func (silence) Close() error                          { return nil }

// failing lets the writes of some groups fail.
type failing struct {
	storage.LogStorage
	mu    sync.Mutex
	fails map[int]error
}

func (f *failing) fail(group int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[group] = err
}

func (f *failing) Write(puts []storage.Put) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := map[int]error{}
	var rest []storage.Put
	for _, p := range puts {
		if err := f.fails[p.Group]; err != nil {
			failed[p.Group] = err
		} else {
			rest = append(rest, p)
		}
	}
	if err := f.LogStorage.Write(rest); err != nil || len(failed) == 0 {
		return err
	}
	return &storage.WriteError{Groups: failed}
}

// run starts a node that is alone in its cluster, with a log in memory.
func run(t testing.TB, groups int, observer event.Observer) (*phxpaxos.Node, *failing) {
	t.Helper()
	store, err := vfile.Open("log", groups, vfile.Options{FS: memfs.New(), Deterministic: true, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{LogStorage: store, fails: map[int]error{}}
	me, err := nodeid.FromAddrPort(netip.MustParseAddrPort("10.0.0.1:11111"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: me, Nodes: []nodeid.ID{me}, GroupCount: groups, LogStorage: f, Network: silence{},
		StateMachines: []sm.StateMachine{echo{}}, Observer: observer, ProposeTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Close()
		store.Close()
	})
	return node, f
}
