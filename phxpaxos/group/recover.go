package group

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// ErrLogGap: the log no longer holds an instance that a state machine still
// needs; its checkpoint is too old, or part of the directory is missing.
var ErrLogGap = errors.New("log does not hold what a state machine needs")

// ErrMachineExists: a state machine with that id is registered.
var ErrMachineExists = errors.New("a state machine with that id is registered")

// replayReport is how often a long replay reports its progress.
const replayReport = 4096

// Open reads what the log holds, executes what the state machines have not
// seen, and returns the group at its current instance. It may take long;
// now is the clock's reading.
//
// With M the highest instance in the log and c the first one that a state
// machine lacks (spec/storage-api.md section 3.5, hazard H4):
//
//	log     checkpoints   executed now   current instance
//	empty   none          –              0
//	empty   through c-1   –              c, log begins at c
//	… M     c <= M        c … M-1        M, with what was accepted there
//	… M     c == M+1      –              M, decided again and not executed again
//	… M     c >  M+1      –              c, log begins at c
//
// The record at M may be a promise or a vote that came to nothing, so M is
// never taken as decided.
func Open(cfg Config, env Env, now time.Duration) (*Group, error) {
	if cfg.Timing == (paxos.Timing{}) {
		cfg.Timing = paxos.TimingFor(cfg.LargeMode, cfg.Following != 0)
	}
	g := &Group{cfg: cfg, env: env, now: now, alwaysHistory: cfg.FullHistory}
	g.cfg.FullHistory = cfg.PacketCRC && (cfg.FullHistory || cfg.Features.Level >= feature.Identity)
	for _, m := range cfg.StateMachines {
		g.exec.register(m, 0)
	}
	g.teach.init(cfg.LargeMode)
	g.reads.init(cfg.Rand)
	if err := g.system.load(g); err != nil {
		return nil, err
	}
	if err := g.master.load(g); err != nil {
		return nil, err
	}
	state, logged, err := g.recover()
	if err != nil {
		return nil, err
	}
	if v := g.system.v; v.Version != wire.NoVersion && v.Version >= state.Instance {
		g.system.beyond(v) // the node died while it took in a checkpoint
	}
	members := g.cfg.Members
	if g.system.v.Cluster != 0 {
		members = paxos.NewMembership(g.system.v.Members)
	}
	g.core = paxos.New(paxos.Config{
		Me: cfg.Me, Members: members, Following: cfg.Following,
		Timing: cfg.Timing, Rand: cfg.Rand, Hazards: cfg.Hazards,
		SyncLearned: changesVariables, ExecuteFirst: cfg.Fence,
	}, outlet{g}, state, now)
	g.core.SetSync(cfg.NoSync, cfg.SyncInterval)
	g.core.SetHistory(g.cfg.FullHistory)
	g.SetHold(cfg.Hold)
	g.clean.paused = cfg.NoCleaning
	g.replayer.init(g)
	if err := g.newcomer.init(g, logged); err != nil {
		return nil, err
	}
	g.features.init(g)
	if err := g.features.usable(g); err != nil {
		return nil, fmt.Errorf("group %d: %w", g.cfg.Index, err)
	}
	g.election.init(&g.cfg, now)
	g.digests.init(g, now)
	return g, nil
}

// recover finds out where this node was; any says that it has a log.
func (g *Group) recover() (s paxos.State, any bool, err error) {
	newest, any, err := g.env.Max()
	if err != nil {
		return s, any, fmt.Errorf("group %d: find the newest record: %w", g.cfg.Index, err)
	}
	if err := g.loadMinChosen(newest, any); err != nil {
		return s, any, err
	}
	if any {
		r, err := g.record(newest)
		if err != nil {
			return s, any, err
		}
		s = paxos.State{Instance: newest, Promised: r.Promised, Accepted: r.Accepted, Value: r.Value, Checksum: r.Checksum, Sum: r.Sum}
	}
	if any {
		g.settled(&s)
	}
	known, err := g.readLedger(s.Instance)
	if err != nil {
		return s, any, err
	}
	low := known.Below(s.Instance)
	from, to := g.checkpoints(&low)
	g.exec.covered = to
	if g.cfg.Hazards.ReplayFromNewest {
		from = to
	}
	ahead := from > s.Instance+1 || !any && from > 0
	if !ahead || g.cfg.UseMembers {
		if known, err = g.cutLedger(known, low); err != nil {
			return s, any, err
		}
	}
	if ahead && g.cfg.UseMembers {
		// Nobody knows which changes of the members lie between, and so who
		// votes behind them: the node learns them, from the log of others or
		// with a checkpoint. What the state machines have is not given twice.
		if known.Through < s.Instance { // what lies between is not read
			known = ledger.Ledger{From: s.Instance, Through: s.Instance}
		}
		g.entries.tracker = ledger.NewTracker(known, s.Instance, g.haves())
		return s, any, g.lastChecksum(&s)
	}
	if ahead {
		s, err = g.jump(from, s.Promised)
		return s, any, err
	}
	if len(g.exec.machines) == 0 {
		from = s.Instance // the node's own state machines keep their state durably
	}
	seen := min(from, low.Through)
	g.entries.tracker = ledger.NewTracker(known, seen, g.haves())
	if seen < s.Instance {
		if err := g.replay(seen, from, &s, &low); err != nil {
			return s, any, err
		}
	}
	err = g.lastChecksum(&s)
	return s, any, err
}

// jump begins the log at the first instance that some state machine lacks. The
// machines are ahead of the log: it was lost, or the newest records never
// reached the disk. They were never promised to anybody, so going on behind
// them is safe; what is between is not kept.
//
// The ledger on disk may reach beyond from, where the group may decide other
// values now. It is replaced first: after a crash in between, the old MinChosen
// and the new ledger lead here again.
func (g *Group) jump(from uint64, promised paxos.Ballot) (s paxos.State, err error) {
	g.entries.tracker = ledger.NewTracker(ledger.Ledger{From: from, Through: from}, from, g.haves())
	if err := g.storeLedger(); err != nil {
		return s, err
	}
	if err := g.setMinChosen(from); err != nil {
		return s, err
	}
	return paxos.State{Instance: from, Promised: promised}, nil
}

// settled moves the start behind the newest record if that set the stored
// membership: it is stored only once its record is final and durable, so that
// instance is decided. Staying at it would not do: its members are not known
// any more, and no node could begin a round there after a loss of power.
func (g *Group) settled(s *paxos.State) {
	var v wire.SystemVariables
	if g.system.v.Version != s.Instance || !changesMembers(s.Value) {
		return
	}
	_, body, _ := wire.SplitValue(s.Value)
	if wire.DecodeSystemVariables(body, &v) != nil || v.Cluster != g.system.v.Cluster || !slices.Equal(v.Members, g.system.v.Members) {
		return
	}
	*s = paxos.State{Instance: s.Instance + 1, Promised: s.Promised}
}

// checkpoints returns the first instance that some state machine lacks as far
// as a ledger tells, and the first one that none has. Machines without a
// checkpoint lack everything that is for them; with no machine at all there is
// nothing to replay.
func (g *Group) checkpoints(l *ledger.Ledger) (from, to uint64) {
	if len(g.exec.machines) == 0 {
		return 0, 0
	}
	from = sm.NoCheckpoint
	for _, m := range g.exec.machines {
		next := lacks(m, g.cfg.Index)
		from, to = min(from, l.Reach(m.ID(), next)), max(to, next)
	}
	return from, to
}

// replay reads seen … s.Instance-1, to know which machines have entries there,
// and executes from … s.Instance-1. Each of these is decided, since a record is
// only written after the final one of the instance before.
func (g *Group) replay(seen, from uint64, s *paxos.State, low *ledger.Ledger) error {
	if from < s.Instance && from < g.minChosen {
		id, have := g.slowest(low)
		return fmt.Errorf("%w: group %d: %w: state machine %d needs instance %d, its durable state ends before %d, the log begins at %d; restore the state machine's data, or remove it and the log to fetch both from another node",
			ErrGroupFailed, g.cfg.Index, ErrLogGap, id, from, have, g.minChosen)
	}
	var chain uint32 // through the instance before, 0 if unknown
	for i := seen; i < s.Instance; i++ {
		if (s.Instance-i)%replayReport == 0 {
			g.observe(event.Event{Kind: event.Replay, Instance: i, Number: s.Instance - i, Size: int(s.Instance - seen)})
		}
		r, err := g.record(i)
		if err != nil {
			return err
		}
		// An original node may have written a lower promise behind this one.
		if s.Promised.Less(r.Promised) {
			s.Promised = r.Promised
		}
		// The storage's own checksums are the first line. The chain is the
		// second one, for records that only have the original's.
		if want := paxos.ChainChecksum(i, chain, r.Value); want != 0 && r.Checksum != 0 && want != r.Checksum {
			return fmt.Errorf("%w: group %d: instance %d: the value has checksum %08x, its record says %08x; restore the directory, or remove the group's log to fetch it from another node",
				ErrGroupFailed, g.cfg.Index, i, want, r.Checksum)
		}
		chain = r.Checksum
		if err := g.replayOne(i, r.Value, i >= from); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) replayOne(instance uint64, value []byte, execute bool) error {
	g.exec.begin(value)
	defer func() { g.exec.active, g.exec.next = false, 0 }()
	g.entries.note(g.exec.entries, instance)
	if !execute {
		return nil
	}
	for g.exec.next < len(g.exec.entries) {
		err := g.exec.step(g, instance, true)
		if err != nil && g.exec.interrupted(g, g.exec.entries[g.exec.next].SM, instance, err) {
			continue // it gets the rest, and what it lost, while the group runs
		}
		if errors.Is(err, errResults) {
			err = fmt.Errorf("%w: %w", ErrGroupFailed, err)
		}
		if err != nil {
			return fmt.Errorf("group %d: replay instance %d: %w", g.cfg.Index, instance, err)
		}
	}
	g.digestState(instance)
	return nil
}

func (g *Group) record(instance uint64) (paxos.Record, error) {
	var r paxos.Record
	data, ok, err := g.env.Read(instance)
	if err != nil {
		return r, fmt.Errorf("group %d: read instance %d: %w", g.cfg.Index, instance, err)
	}
	if !ok {
		err = ErrLogGap
	} else if err = wire.DecodeRecord(data, &r); err == nil && r.Instance != instance {
		err = fmt.Errorf("the record says it is of instance %d", r.Instance)
	} else if err == nil {
		err = g.authentic(&r)
	}
	if err != nil { // the disk is well, this group's log is not
		return r, fmt.Errorf("%w: group %d: read instance %d: %w", ErrGroupFailed, g.cfg.Index, instance, err)
	}
	return r, nil
}

// lastChecksum continues the checksum chain from the record before
// (spec/protocol.md section 8.5), and takes its promise if that is higher.
func (g *Group) lastChecksum(s *paxos.State) error {
	if s.Instance == 0 || s.Instance <= g.minChosen {
		return nil
	}
	if _, ok, err := g.env.Read(s.Instance - 1); err == nil && !ok {
		return nil
	}
	r, err := g.record(s.Instance - 1)
	if err != nil {
		return err
	}
	s.LastChecksum, s.LastChain = r.Checksum, r.Chain
	if s.Promised.Less(r.Promised) {
		s.Promised = r.Promised
	}
	return nil
}

// loadMinChosen reads the lowest kept instance, and moves it behind records
// that were cleaned after it was last stored (spec/storage-api.md section 3.2).
func (g *Group) loadMinChosen(newest uint64, any bool) error {
	v, ok, err := g.env.Variable(MinChosen)
	if err != nil {
		return fmt.Errorf("group %d: read the lowest kept instance: %w", g.cfg.Index, err)
	}
	if ok {
		if len(v) != 8 {
			return fmt.Errorf("group %d: the lowest kept instance has %d bytes, want 8", g.cfg.Index, len(v))
		}
		g.minChosen = binary.LittleEndian.Uint64(v)
	}
	at := g.minChosen
	for any && at < newest {
		if _, ok, err := g.env.Read(at); err != nil || ok {
			break // a damaged record is there; who needs it will be told
		}
		at++
	}
	if at == g.minChosen {
		return nil
	}
	return g.setMinChosen(at)
}

// AppendInstance appends an instance as the variable MinChosen has it.
func AppendInstance(dst []byte, instance uint64) []byte {
	return binary.LittleEndian.AppendUint64(dst, instance)
}

func (g *Group) setMinChosen(instance uint64) error {
	if err := g.env.SetVariable(MinChosen, AppendInstance(nil, instance)); err != nil {
		return fmt.Errorf("group %d: store the lowest kept instance: %w", g.cfg.Index, err)
	}
	g.minChosen = instance
	return nil
}
