package main

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// Configuration: etcd's raft and etcd's WAL in one loop that takes all
// proposals and messages that wait, saves once and sends before it saves
// where it leads, which raft allows; messages of up to 1 MiB, 256 in flight.
// etcd itself adds a B-tree for its state, and gRPC in front; neither is here.
type etcd struct {
	raw     *raft.RawNode
	storage *raft.MemoryStorage
	wal     *wal.WAL
	links   *links
	me      uint64

	mu       sync.Mutex
	wake     chan struct{}
	props    [][]byte
	inbox    []raftpb.Message
	waiters  map[uint64]chan struct{}
	next     uint64
	leading  bool
	stopping bool
	done     chan struct{}
}

func startEtcd(s setup) (node, error) {
	dir := filepath.Join(s.Dir, "wal")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	log, err := wal.Create(zap.NewNop(), dir, nil)
	if err != nil {
		return nil, err
	}
	e := &etcd{storage: raft.NewMemoryStorage(), wal: log, me: uint64(s.Me + 1),
		wake: make(chan struct{}, 1), waiters: map[uint64]chan struct{}{}, done: make(chan struct{})}
	// All begin with the same members, as after a first snapshot.
	var voters []uint64
	for i := range s.Addrs {
		voters = append(voters, uint64(i+1))
	}
	err = e.storage.ApplySnapshot(raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{
		ConfState: raftpb.ConfState{Voters: voters}, Index: 1, Term: 1,
	}})
	if err != nil {
		return nil, err
	}
	e.raw, err = raft.NewRawNode(&raft.Config{
		ID: e.me, ElectionTick: 10, HeartbeatTick: 1, Storage: e.storage, Applied: 1,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, MaxUncommittedEntriesSize: 1 << 30,
		CheckQuorum: true, PreVote: true, Logger: &raft.DefaultLogger{Logger: quiet()},
	})
	if err != nil {
		return nil, err
	}
	if e.links, err = listen(s.Addrs, s.Me, e.receive); err != nil {
		return nil, err
	}
	if s.Me == 0 {
		if err := e.raw.Campaign(); err != nil {
			return nil, err
		}
	}
	go e.run()
	return e, nil
}

func (e *etcd) ring() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *etcd) receive(m raftpb.Message) {
	e.mu.Lock()
	e.inbox = append(e.inbox, m)
	e.mu.Unlock()
	e.ring()
}

func (e *etcd) propose(_ int, value []byte) error {
	done := make(chan struct{})
	e.mu.Lock()
	e.next++
	id := e.next
	e.waiters[id] = done
	e.props = append(e.props, append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(value)), id), value...))
	e.mu.Unlock()
	e.ring()
	select {
	case <-done:
		return nil
	case <-e.done:
		return errors.New("etcd: stopped")
	}
}

func (e *etcd) lead() error {
	return poll("leadership", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.leading
	})
}

func (e *etcd) run() {
	defer close(e.done)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-e.wake:
		case <-ticker.C:
			e.raw.Tick()
		}
		e.mu.Lock()
		props, inbox, stopping := e.props, e.inbox, e.stopping
		e.props, e.inbox = nil, nil
		e.mu.Unlock()
		if stopping {
			return
		}
		for _, m := range inbox {
			_ = e.raw.Step(m) // messages of old terms are refused
		}
		if len(props) > 0 {
			entries := make([]raftpb.Entry, len(props))
			for i, p := range props {
				entries[i].Data = p
			}
			// One message for all, as etcd's own propose does for one each.
			_ = e.raw.Step(raftpb.Message{Type: raftpb.MsgProp, From: e.me, Entries: entries})
		}
		for e.raw.HasReady() {
			e.ready()
		}
	}
}

// ready does what raft wants done.
func (e *etcd) ready() {
	rd := e.raw.Ready()
	leads := e.raw.BasicStatus().RaftState == raft.StateLeader
	if leads {
		e.links.send(rd.Messages)
	}
	if err := e.wal.Save(rd.HardState, rd.Entries); err != nil {
		panic(err)
	}
	_ = e.storage.Append(rd.Entries)
	if !raft.IsEmptyHardState(rd.HardState) {
		_ = e.storage.SetHardState(rd.HardState)
	}
	if !leads {
		e.links.send(rd.Messages)
	}
	e.mu.Lock()
	e.leading = leads
	for _, entry := range rd.CommittedEntries {
		if len(entry.Data) < 8 {
			continue
		}
		id := binary.LittleEndian.Uint64(entry.Data)
		if done := e.waiters[id]; done != nil && leads {
			close(done)
			delete(e.waiters, id)
		}
	}
	e.mu.Unlock()
	e.compact(rd.CommittedEntries)
	e.raw.Advance(rd)
}

// compact keeps what slow followers may need.
func (e *etcd) compact(committed []raftpb.Entry) {
	const keep = 10000
	if n := len(committed); n > 0 && committed[n-1].Index > 2*keep {
		first, _ := e.storage.FirstIndex()
		if at := committed[n-1].Index - keep; at > first+keep {
			_ = e.storage.Compact(at)
		}
	}
}

func (e *etcd) close() {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	e.ring()
	<-e.done
	e.links.close()
	_ = e.wal.Close()
}
