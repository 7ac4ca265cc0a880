package main

import (
	"errors"
	"fmt"
	"io"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/client"
	"github.com/lni/dragonboat/v4/config"
	"github.com/lni/dragonboat/v4/logger"
	"github.com/lni/dragonboat/v4/plugin/tan"
	"github.com/lni/dragonboat/v4/raftio"
	statemachine "github.com/lni/dragonboat/v4/statemachine"
)

// Configuration: no snapshots, heartbeats each 100 ms, elections after a
// second, so that background work is as small as it can be; two workers for
// each stage of the engine instead of sixteen where there is more than one
// group, since the machine has few processors and fewer workers mean fewer
// syncs; session-less proposals, whose result channel is read directly.
//
// Its log for many groups in few files (mux) is not exported in this version,
// so it is reached by its linker name. It puts a shard into the file
// of its id modulo 16; the ids here leave two files, which was the quickest.
type dragon struct {
	host     *dragonboat.NodeHost
	sessions []*client.Session
	shards   []uint64
}

//go:linkname createMux github.com/lni/dragonboat/v4/internal/tan.multiplexLogFactory.Create
func createMux(_ struct{}, cfg config.NodeHostConfig, cb config.LogDBCallback, dirs, wals []string) (raftio.ILogDB, error)

type muxFactory struct{}

func (muxFactory) Create(cfg config.NodeHostConfig, cb config.LogDBCallback, dirs, wals []string) (raftio.ILogDB, error) {
	return createMux(struct{}{}, cfg, cb, dirs, wals)
}

func (muxFactory) Name() string { return "Tan" }

func startTan(s setup) (node, error) {
	return startDragonboat(s, tan.Factory, func(g int) uint64 { return uint64(g + 1) })
}

func startMux(s setup) (node, error) {
	return startDragonboat(s, muxFactory{}, func(g int) uint64 { return uint64(16*(g/2+1) + g%2) })
}

func startPebble(s setup) (node, error) {
	return startDragonboat(s, nil, func(g int) uint64 { return uint64(g + 1) })
}

func startDragonboat(s setup, log config.LogDBFactory, shard func(group int) uint64) (node, error) {
	for _, pkg := range []string{"raft", "rsm", "transport", "grpc", "dragonboat", "logdb", "raftpb", "config", "settings", "order", "tan", "pebblekv", "utils", "registry"} {
		logger.GetLogger(pkg).SetLevel(logger.ERROR)
	}
	expert := config.GetDefaultExpertConfig()
	expert.LogDBFactory = log
	if s.Groups > 1 {
		expert.Engine.ExecShards, expert.Engine.CommitShards, expert.Engine.ApplyShards = 2, 2, 2
	}
	host, err := dragonboat.NewNodeHost(config.NodeHostConfig{
		WALDir: s.Dir, NodeHostDir: s.Dir, RTTMillisecond: 100, RaftAddress: s.Addrs[s.Me], Expert: expert,
	})
	if err != nil {
		return nil, err
	}
	members := map[uint64]dragonboat.Target{}
	for i, a := range s.Addrs {
		members[uint64(i+1)] = a
	}
	d := &dragon{host: host}
	for g := range s.Groups {
		id := shard(g)
		err := host.StartReplica(members, false, func(uint64, uint64) statemachine.IStateMachine { return idle{} }, config.Config{
			ReplicaID: uint64(s.Me + 1), ShardID: id, ElectionRTT: 10, HeartbeatRTT: 1, CheckQuorum: true,
		})
		if err != nil {
			host.Close()
			return nil, err
		}
		d.shards = append(d.shards, id)
		d.sessions = append(d.sessions, host.GetNoOPSession(id))
	}
	return d, nil
}

func (d *dragon) propose(group int, value []byte) error {
	for {
		state, err := d.host.Propose(d.sessions[group], value, opMax)
		if errors.Is(err, dragonboat.ErrSystemBusy) {
			time.Sleep(time.Millisecond) // its own limit on what is under way
			continue
		}
		if err != nil {
			return err
		}
		result := <-state.ResultC()
		state.Release()
		switch {
		case result.Completed():
			return nil
		case result.Dropped():
			continue // there was no leader
		}
		return fmt.Errorf("dragonboat: proposal did not complete: %+v", result)
	}
}

// lead moves the leadership of all groups here.
func (d *dragon) lead() error {
	for _, id := range d.shards {
		asked := time.Time{}
		err := poll("leader of a shard", func() bool {
			leader, _, ok, err := d.host.GetLeaderID(id)
			if err == nil && ok && leader != 1 && time.Since(asked) > time.Second {
				asked = time.Now()
				_ = d.host.RequestLeaderTransfer(id, 1) // tried again
			}
			return err == nil && ok && leader == 1
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *dragon) close() { d.host.Close() }

// idle is a state machine without a state.
type idle struct{}

func (idle) Update(statemachine.Entry) (statemachine.Result, error) {
	return statemachine.Result{}, nil
}
func (idle) Lookup(any) (any, error) { return nil, nil }
func (idle) SaveSnapshot(io.Writer, statemachine.ISnapshotFileCollection, <-chan struct{}) error {
	return nil
}
func (idle) RecoverFromSnapshot(io.Reader, []statemachine.SnapshotFile, <-chan struct{}) error {
	return nil
}
func (idle) Close() error { return nil }
