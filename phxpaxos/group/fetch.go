package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	fetchAlone   = 60 * time.Second // if fewer than a majority say so, wait (spec/protocol.md section 17.1)
	fetchFresh   = 10 * time.Second // whoever was silent for so long is not asked
	fetchBegin   = 5 * time.Second  // for the begin; then somebody else is asked
	fetchIdle    = 5 * time.Second  // without a message a transfer is given up; doubled each time,
	fetchIdleMax = 20 * time.Second // up to this, since a sender may be slow
	fetchAgain   = time.Second      // pause after a failed one, doubled up to fetchBegin
	fetchLook    = 100 * time.Millisecond
	fetchAhead   = 32 // blocks that came and are not written; senders keep to giveWindow
	fetchSay     = 10 * time.Second
	tellersMax   = 64
)

// errCheckpoint: a transfer broke, and is begun anew.
var errCheckpoint = errors.New("checkpoint transfer failed")

// fetcher gets a checkpoint when the logs of the others begin behind what this
// node needs (spec/protocol.md section 17). Everything that came is thrown
// away when a transfer breaks; nothing of this node is touched before all of
// it is here and durable. What happens then is install.
type fetcher struct {
	wanted   bool          // this node needs a checkpoint
	instance uint64        // at which it does
	tellers  []teller      // who said so
	since    time.Duration // the first of them
	agreed   bool          // enough of them did
	asked    []nodeid.ID   // a begin from these is taken
	sayAt    time.Duration // when to say again that a checkpoint is needed
	askAt    time.Duration // not before
	lookAt   time.Duration // when to see again who is there
	backoff  time.Duration

	stage    stage
	from     nodeid.ID
	uuid     uint64
	begun    uint64 // instance that the begin named
	last     uint64 // sequence of the last message that was taken
	stored   uint64 // messages that are written
	bytes    int64
	ledger   ledger.Ledger // of the sender; says nothing if it sent none
	total    int64         // as the sender says, 0 if it does not
	parts    []Part
	progress time.Duration // of the transfer
	began    time.Duration
	idle     time.Duration // patience
	told     told

	deadline time.Duration
}

// stage is how far a transfer is.
type stage uint8

const (
	fetchNone  stage = iota
	fetchFiles       // messages come in
	fetchSync        // all are here, and are made durable
	fetchLoad        // waits for its turn to be loaded
)

// teller is a node whose log begins too late.
type teller struct {
	id           nodeid.ID
	heard, asked time.Duration
}

// told is what a teacher said of the cluster, when it was at an instance.
type told struct {
	any            bool
	now            uint64
	system, master []byte
	features       []byte
}

// hear keeps the newest that was told.
func (f *fetcher) hear(g *Group, m *paxos.Message) {
	if f.wanted && f.instance == g.core.Instance() && m.HasVariables && (!f.told.any || m.Now >= f.told.now) {
		f.told = told{true, m.Now, m.SystemVariables, m.MasterVariables, m.Features}
	}
}

// needed takes an offer whose log begins too late.
func (f *fetcher) needed(g *Group, m *paxos.Message) {
	at := g.core.Instance()
	if f.stage == fetchNone && f.instance != at || !f.wanted {
		*f = fetcher{wanted: true, instance: at, since: g.now, tellers: f.tellers[:0], sayAt: f.sayAt}
	}
	why := g.cannotLoad(nil)
	if g.now >= f.sayAt {
		f.sayAt = g.now + fetchSay
		g.observe(event.Event{Kind: event.CheckpointNeeded, Peer: m.From, Instance: m.MinChosen, Err: why})
	}
	if why != nil {
		return
	}
	f.hear(g, m)
	f.note(m.From, g.now)
	f.agreed = f.agreed || len(f.tellers) >= g.agreement() || g.now-f.since > fetchAlone
	f.ask(g)
}

// known: a member, or a node that spoke of its log; the one that has what this
// node needs may be a member no more. Others are not answered.
func (f *fetcher) known(g *Group, id nodeid.ID) bool {
	for i := range f.tellers {
		if f.tellers[i].id == id {
			return true
		}
	}
	return g.isPeer(id)
}

// agreement is how many nodes have to say that their logs begin too late
// before a checkpoint is asked for: a majority, as far as there are others.
func (g *Group) agreement() int {
	others := len(g.system.peers)
	if g.system.peers.Contains(g.cfg.Me) {
		others--
	}
	return min(g.system.peers.Quorum(), others)
}

func (f *fetcher) note(id nodeid.ID, now time.Duration) {
	for i := range f.tellers {
		if f.tellers[i].id == id {
			f.tellers[i].heard = now
			return
		}
	}
	if len(f.tellers) < tellersMax {
		f.tellers = append(f.tellers, teller{id: id, heard: now, asked: -1})
	}
}

// cannotLoad says why a checkpoint would be of no use here, or nothing. A state
// machine that cannot load one needs none if no entries are for it. Before the
// sender's ledger is here, that is so as far as this node knows.
func (g *Group) cannotLoad(l *ledger.Ledger) error {
	for _, m := range g.exec.machines {
		have := lacks(m, g.cfg.Index)
		if _, ok := m.(sm.Snapshotter); ok || l == nil && g.entries.tracker.Newest(m.ID()) <= have {
			continue
		}
		if l == nil || l.Reach(m.ID(), have) <= g.core.Instance() {
			return fmt.Errorf("%w: state machine %d is no Snapshotter and cannot load one; restore its data and the log from a backup", errCheckpoint, m.ID())
		}
	}
	return nil
}

// ask asks the node that was asked least lately, if it is time.
func (f *fetcher) ask(g *Group) {
	if !f.agreed || f.stage != fetchNone || g.now < f.askAt {
		f.rearm()
		return
	}
	var best *teller
	for i := range f.tellers {
		if t := &f.tellers[i]; g.now-t.heard < fetchFresh && (best == nil || t.asked < best.asked) {
			best = t
		}
	}
	if best == nil {
		f.lookAt = g.now + fetchAgain
		f.rearm()
		g.core.CatchUp() // to hear who is there
		return
	}
	best.asked = g.now
	f.askAt = g.now + fetchBegin
	f.asked = append(f.asked, best.id)
	if len(f.asked) > tellersMax {
		f.asked = f.asked[1:]
	}
	f.rearm()
	g.send(&paxos.Message{Kind: paxos.AskCheckpoint, To: best.id, Instance: g.core.Instance()})
}

// receive takes a message of a transfer to this node.
func (f *fetcher) receive(g *Group, c *wire.Checkpoint) {
	var err error
	switch {
	case c.Flag == wire.CheckpointBegin:
		err = f.begin(g, c)
	case f.stage == fetchNone || c.From != f.from || c.UUID != f.uuid:
		// What is left of a transfer that was given up.
		if f.stage == fetchNone && f.known(g, c.From) {
			g.refuseCheckpoint(c, fmt.Errorf("%w: there is no such transfer", errCheckpoint))
		}
		return
	case c.Sequence <= f.last:
		if c.Sequence < f.stored {
			g.acknowledge(c.From, c.UUID, c.Sequence, wire.CheckpointOK) // the first one may be lost
		}
		return
	case f.stage != fetchFiles || c.Sequence != f.last+1:
		err = fmt.Errorf("%w: message %d came behind %d", errCheckpoint, c.Sequence, f.last)
	case c.Flag == wire.CheckpointBlock:
		err = f.block(g, c)
	case c.Flag == wire.CheckpointEnd:
		f.last, f.progress, f.stage = c.Sequence, g.now, fetchSync
		g.env.Do(Job{Kind: FinishCheckpoint, UUID: f.uuid})
	}
	if err != nil {
		f.fail(g, err)
	}
	f.rearm()
}

// begin takes a begin only from a node that was asked. The original's comes
// twice; the second changes nothing.
func (f *fetcher) begin(g *Group, c *wire.Checkpoint) error {
	switch {
	case f.stage != fetchNone && c.From == f.from && c.UUID == f.uuid:
		if f.stored > 0 {
			g.acknowledge(c.From, c.UUID, 0, wire.CheckpointOK)
		}
		return nil
	case !f.known(g, c.From):
		return nil
	case !f.wants(c.From) || f.instance != g.core.Instance():
		g.refuseCheckpoint(c, fmt.Errorf("%w: this node was not asked for a checkpoint", errCheckpoint))
		return nil
	case f.stage > fetchFiles || f.stage == fetchFiles && c.From != f.from:
		g.refuseCheckpoint(c, fmt.Errorf("%w: another transfer is under way", errCheckpoint))
		return nil
	case c.Instance == sm.NoCheckpoint || c.Instance < f.instance || c.Sequence != 0:
		g.refuseCheckpoint(c, fmt.Errorf("%w: a checkpoint of instance %d is of no use at instance %d", errCheckpoint, c.Instance, f.instance))
		return nil
	}
	var l ledger.Ledger
	if len(c.Ledger) > 0 {
		var err error
		if l, err = ledger.Decode(c.Ledger); err != nil {
			g.refuseCheckpoint(c, fmt.Errorf("%w: %w", errCheckpoint, err))
			return nil
		}
	}
	if err := g.cannotLoad(&l); err != nil {
		g.refuseCheckpoint(c, err)
		return nil
	}
	f.stage, f.from, f.uuid, f.begun, f.ledger = fetchFiles, c.From, c.UUID, c.Instance, l
	f.last, f.stored, f.bytes, f.parts = 0, 0, 0, nil
	f.total = int64(min(c.Total, 1<<62))
	f.began, f.progress = g.now, g.now
	f.idle = max(f.idle, fetchIdle)
	g.observe(event.Event{Kind: event.CheckpointBegin, Peer: c.From, Instance: c.Instance})
	g.env.Do(Job{Kind: ReceiveCheckpoint, UUID: f.uuid})
	return nil
}

func (f *fetcher) wants(id nodeid.ID) bool {
	for _, a := range f.asked {
		if a == id {
			return true
		}
	}
	return false
}

func (f *fetcher) block(g *Group, c *wire.Checkpoint) error {
	if sum := checksum.Sampled(0, c.Data, checksum.ValueStride); sum != c.Checksum {
		return fmt.Errorf("%w: block %d has checksum %08x, its message says %08x", errCheckpoint, c.Sequence, sum, c.Checksum)
	}
	if c.Sequence >= f.stored+fetchAhead {
		return fmt.Errorf("%w: %d blocks wait to be written", errCheckpoint, c.Sequence-f.stored)
	}
	f.last, f.progress = c.Sequence, g.now
	f.bytes += int64(len(c.Data))
	g.observe(event.Event{Kind: event.CheckpointBlockReceive, Peer: c.From, Instance: c.Instance, Number: c.Sequence, Size: len(c.Data)})
	g.env.Do(Job{Kind: StoreBlock, UUID: f.uuid, Block: *c})
	return nil
}

// done takes the outcome of a job of the transfer under way.
func (f *fetcher) done(g *Group, r *JobResult) {
	if f.stage == fetchNone || r.UUID != f.uuid {
		return
	}
	switch {
	case r.Err != nil:
		f.fail(g, fmt.Errorf("%w: %w", errCheckpoint, r.Err))
	case r.Kind == FinishCheckpoint:
		f.parts, f.stage = r.Parts, fetchLoad
		g.observe(event.Event{Kind: event.CheckpointReceived, Peer: f.from, Instance: f.begun, Number: uint64(f.bytes), Took: g.now - f.began})
		g.acknowledge(f.from, f.uuid, f.last, wire.CheckpointOK)
		f.load(g)
	default:
		f.stored = r.Sequence + 1
		g.acknowledge(f.from, f.uuid, r.Sequence, wire.CheckpointOK)
	}
	f.rearm()
}

// load installs what came as soon as that is possible.
func (f *fetcher) load(g *Group) {
	if f.stage != fetchLoad {
		return
	}
	installed, err := g.install(f.parts, &f.told, &f.ledger)
	switch {
	case err != nil:
		f.fail(g, err)
	case installed:
		g.observe(event.Event{Kind: event.CheckpointLoaded, Peer: f.from, Instance: g.core.Instance() - 1, Number: uint64(f.bytes), Took: g.now - f.began})
		*f = fetcher{}
		g.env.Do(Job{Kind: DropCheckpoint})
		g.core.CatchUp()
	default:
		g.core.CatchUp() // to hear how far the others are, and who they are
	}
	f.rearm()
}

// fail gives the transfer up. It is asked for again soon.
func (f *fetcher) fail(g *Group, err error) {
	g.observe(event.Event{Kind: event.CheckpointLoadFail, Peer: f.from, Instance: f.begun, Number: f.last, Err: err})
	g.acknowledge(f.from, f.uuid, f.last, wire.CheckpointFail)
	f.stage, f.from, f.uuid, f.parts = fetchNone, nodeid.None, 0, nil
	f.backoff = min(max(2*f.backoff, fetchAgain), fetchBegin)
	f.idle = min(2*f.idle, fetchIdleMax)
	f.askAt = g.now + f.backoff
	g.env.Do(Job{Kind: DropCheckpoint})
}

func (f *fetcher) tick(g *Group) {
	if f.deadline == 0 || g.now < f.deadline {
		return
	}
	switch {
	case f.instance != g.core.Instance() && f.stage == fetchNone:
		*f = fetcher{} // the log did
	case f.stage == fetchLoad:
		f.load(g)
	case f.stage == fetchFiles && g.now-f.progress >= f.idle:
		f.fail(g, fmt.Errorf("%w: nothing came for %v", errCheckpoint, g.now-f.progress))
	case f.stage == fetchNone:
		f.ask(g)
	}
	f.rearmAt(g.now)
}

func (f *fetcher) rearm() {
	f.deadline = 0
	switch {
	case f.stage == fetchFiles:
		f.deadline = f.progress + f.idle
	case f.stage == fetchNone && f.agreed:
		f.deadline = max(f.askAt, f.lookAt)
	}
}

// rearmAt is rearm, with another look at a checkpoint that waits.
func (f *fetcher) rearmAt(now time.Duration) {
	f.rearm()
	if f.stage == fetchLoad {
		f.deadline = now + fetchLook
	}
}

// refuseCheckpoint tells the sender of a message that does not fit to stop.
func (g *Group) refuseCheckpoint(c *wire.Checkpoint, err error) {
	g.observe(event.Event{Kind: event.CheckpointRefused, Peer: c.From, Instance: c.Instance, Number: c.Sequence, Err: err})
	g.acknowledge(c.From, c.UUID, c.Sequence, wire.CheckpointFail)
}

func (g *Group) acknowledge(to nodeid.ID, uuid, sequence uint64, flag int32) {
	c := wire.Checkpoint{Kind: wire.CheckpointAck, From: g.cfg.Me, Flag: flag, UUID: uuid, Sequence: sequence}
	g.env.Send(to, wire.AppendCheckpoint(nil, g.header(), &c), true)
}

// receiveCheckpoint sorts a transfer message: files to this node, or
// acknowledgements of what it sends.
func (g *Group) receiveCheckpoint(p *wire.Packet) {
	var c wire.Checkpoint
	if err := p.Checkpoint(&c); err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Size: len(p.Body), Err: err})
		return
	}
	switch {
	case !g.belongs(p, c.From):
	case c.Kind == wire.CheckpointAck:
		g.give.acknowledged(g, &c)
	case c.Kind == wire.CheckpointFile:
		g.fetch.receive(g, &c)
	}
}
