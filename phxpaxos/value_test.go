package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// positions is a machine that only says where it is.
type positions struct {
	script
	readable atomic.Uint64
}

func (p *positions) Readable() uint64 { return p.readable.Load() }

func record(instance uint64, value []byte) []byte {
	b := paxos.Ballot{Number: 1, Node: ids(1)[0]}
	return wire.AppendRecord(nil, &paxos.Record{Instance: instance, Promised: b, Accepted: b, Value: value})
}

// valueNode is a node with one group at instance 5 of which 3 are readable.
func valueNode() (*Node, *loop, *positions, *memory) {
	store, m := newMemory(1), &positions{}
	l := &loop{store: store, machine: m, gate: &waitlock.Gate{}, observer: newObserver(nil, nil)}
	l.init(1, 1)
	m.now = 5
	m.readable.Store(3)
	l.publish()
	return &Node{store: store, loops: []*loop{l}, observer: l.observer}, l, m, store
}

// What is on disk at or above readable may not be final, so it waits until
// the group says so.
func TestGetInstanceValueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, l, m, store := valueNode()
		store.groups[0].records[4] = record(4, wire.AppendValue(nil, 1, []byte("vote")))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		got := make(chan string, 2)
		read := func(ctx context.Context) {
			entries, err := n.GetInstanceValue(ctx, 0, 4)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(entries[0].Value)
		}
		go read(context.Background())
		synctest.Wait()
		m.readable.Store(4) // not yet
		l.publish()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatalf("returned %q", <-got)
		}
		store.groups[0].records[4] = record(4, wire.AppendValue(nil, 1, []byte("chosen")))
		m.readable.Store(5)
		l.publish()
		if v := <-got; v != "chosen" {
			t.Fatalf("got %q", v)
		}

		m.readable.Store(4)
		l.publish()
		errs := make(chan error, 1)
		go func() { _, err := n.GetInstanceValue(ctx, 0, 4); errs <- err }()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, ErrTimeout) || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		go func() { _, err := n.GetInstanceValue(context.Background(), 0, 4); errs <- err }()
		synctest.Wait()
		l.end(fmt.Errorf("%w: why", ErrGroupFailed))
		if err := <-errs; !errors.Is(err, ErrGroupFailed) {
			t.Errorf("group stopped: %v", err)
		}
	})
}

func TestDecodeEntries(t *testing.T) {
	batch := wire.AppendBatch(nil, []wire.BatchEntry{{SM: 1, Value: []byte("a")}, {SM: 2, Value: nil}})
	for _, test := range []struct {
		name string
		data []byte
		want string
		err  error
	}{
		{"single", record(3, wire.AppendValue(nil, 7, []byte("x"))), `[{7 x}]`, nil},
		{"empty value", record(3, wire.AppendValue(nil, 7, nil)), `[{7 }]`, nil},
		{"batch", record(3, batch), `[{1 a}{2 }]`, nil},
		{"other instance", record(4, batch), "", storage.ErrDamaged},
		{"no value", record(3, nil), "", storage.ErrDamaged},
		{"short value", record(3, []byte("abc")), "", storage.ErrDamaged},
		{"garbage", []byte{0xff, 0xff}, "", wire.ErrBody},
		{"bad batch", record(3, wire.AppendValue(nil, sm.Batch, []byte{0xff})), "", wire.ErrBody},
	} {
		entries, err := decodeEntries(test.data, 3)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		text := "["
		for _, e := range entries {
			text += fmt.Sprintf("{%d %s}", e.SM, e.Value)
		}
		if text += "]"; err == nil && text != test.want {
			t.Errorf("%s: got %s, want %s", test.name, text, test.want)
		}
	}
}

// FuzzDecodeEntries: no record makes it panic, and what it returns lies
// within the record.
func FuzzDecodeEntries(f *testing.F) {
	f.Add(record(3, wire.AppendValue(nil, 7, []byte("x"))))
	f.Add(record(3, wire.AppendBatch(nil, []wire.BatchEntry{{SM: 1, Value: []byte("a")}, {SM: 2}})))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeEntries(data, 3)
		if err != nil && entries != nil {
			t.Error("entries along with an error")
		}
		size := 0
		for _, e := range entries {
			size += len(e.Value)
		}
		if size > len(data) {
			t.Errorf("%d bytes of values in a record of %d", size, len(data))
		}
	})
}
