package main

import (
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// Configuration: raft-wal as log and stable store; up to 1024 entries for
// each append and batched applies, since the default limit of 64 halves its
// throughput; pipelining is on by default; no snapshots.
type hashi struct {
	raft *raft.Raft
	logs *wal.WAL
}

func startHashicorp(s setup) (node, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: io.Discard})
	logs, err := wal.Open(s.Dir, wal.WithLogger(logger))
	if err != nil {
		return nil, err
	}
	addr, err := net.ResolveTCPAddr("tcp", s.Addrs[s.Me])
	if err != nil {
		return nil, err
	}
	trans, err := raft.NewTCPTransport(s.Addrs[s.Me], addr, 3, 10*time.Second, io.Discard)
	if err != nil {
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStore(filepath.Join(s.Dir, "snapshots"), 1, io.Discard)
	if err != nil {
		return nil, err
	}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.Addrs[s.Me])
	c.Logger = logger
	c.MaxAppendEntries = 1024
	c.BatchApplyCh = true
	c.SnapshotThreshold, c.SnapshotInterval = 1<<40, time.Hour
	c.NoLegacyTelemetry = true
	r, err := raft.NewRaft(c, ignore{}, logs, logs, snapshots, trans)
	if err != nil {
		return nil, err
	}
	if s.Me == 0 {
		var servers raft.Configuration
		for _, a := range s.Addrs {
			servers.Servers = append(servers.Servers, raft.Server{ID: raft.ServerID(a), Address: raft.ServerAddress(a)})
		}
		if err := r.BootstrapCluster(servers).Error(); err != nil {
			return nil, err
		}
	}
	return &hashi{r, logs}, nil
}

func (h *hashi) propose(_ int, value []byte) error {
	// The log keeps what it is given, so the caller's bytes are copied.
	return h.raft.Apply(append([]byte(nil), value...), opMax).Error()
}

// lead: only process 0 knows the members, so it becomes leader.
func (h *hashi) lead() error {
	return poll("leadership", func() bool { return h.raft.State() == raft.Leader })
}

func (h *hashi) close() {
	_ = h.raft.Shutdown().Error()
	_ = h.logs.Close()
}

// ignore is a state machine without a state.
type ignore struct{}

func (ignore) Apply(*raft.Log) any { return nil }

func (ignore) ApplyBatch(logs []*raft.Log) []any { return make([]any, len(logs)) }

func (ignore) Snapshot() (raft.FSMSnapshot, error) { return ignore{}, nil }
func (ignore) Restore(r io.ReadCloser) error       { return r.Close() }
func (ignore) Persist(sink raft.SnapshotSink) error {
	return sink.Close()
}
func (ignore) Release() {}
