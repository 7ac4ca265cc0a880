package paxos

import (
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/timer"
)

var (
	// ErrDiverged: this node's history is not its peers' history.
	ErrDiverged = errors.New("history differs from the peers'")
	// ErrInvariant: the core found itself in an impossible state.
	ErrInvariant = errors.New("invariant broken")
	// ErrSave: a record did not reach the disk.
	ErrSave = errors.New("record could not be saved")
)

// Kinds of timers.
const (
	timerPrepare = 1
	timerAccept  = 2
	timerAsk     = 3
)

// Chosen is the decided value of the current instance.
type Chosen struct {
	Instance uint64
	Ballot   Ballot
	Value    []byte
	Checksum uint32
	Chain    uint64 // full history through Instance, 0 if unknown
	Sum      uint64 // ValueHash of Value, 0 if unknown

	// Own: an accept has carried what Propose was given last, so if the bytes
	// are equal it is that value. Without it, equal bytes are somebody else's,
	// or those of an earlier call, and the last call's value is not chosen.
	Own bool
}

// Core is one group's proposer, acceptor and learner. They always share the
// current instance. It is not safe for concurrent use.
type Core struct {
	cfg     Config
	env     Env
	now     time.Duration
	members Membership
	timers  timer.Queue
	err     error // why the core stopped, or nil

	instance     uint64
	lastChecksum uint32 // chain through instance-1, 0 if unknown
	lastChain    uint64 // full history through instance-1, 0 if unknown
	lastBallot   Ballot // that decided instance-1, null if unknown

	acceptor acceptor
	proposer proposer
	learner  learner
	out      outbox
	retry    retryQueue
	abstain  bool       // vote for nothing
	suspect  chainClaim // a mismatch that was claimed once
	history  bool       // keep and compare the full history
	dispute  Dispute    // a peer's history that differs, see TakeDispute
}

// New returns a core at state s. It asks the others at once for what this
// node has missed; the first Flush hands that out.
func New(cfg Config, env Env, s State, now time.Duration) *Core {
	c := &Core{cfg: cfg, env: env, now: now, members: cfg.Members, instance: s.Instance, lastChecksum: s.LastChecksum, lastChain: s.LastChain}
	c.acceptor = acceptor{c: c, promised: s.Promised, accepted: s.Accepted, value: s.Value, checksum: s.Checksum, sum: s.Sum}
	c.acceptor.savedPromise = s.Promised
	// The own ballots of earlier lives were durable before a peer heard of
	// them, so they are at most s.Promised: the next number is fresh (P4).
	c.proposer = proposer{c: c, number: s.Promised.Number + 1}
	c.learner = learner{c: c, highest: s.Instance}
	c.out.c = c
	c.learner.ask()
	return c
}

// Step takes a message from a peer. The caller has checked that it belongs to
// this cluster and that its sender may speak.
func (c *Core) Step(m *Message) {
	if c.err != nil || m.From == c.cfg.Me || m.From == nodeid.None {
		return
	}
	if !c.history {
		m.Chain, m.Sum = 0, 0
	}
	c.dispatch(m)
	c.check()
}

func (c *Core) dispatch(m *Message) {
	switch m.Kind {
	case Prepare, Accept:
		c.stepRequest(m)
	case PrepareReply, AcceptReply:
		if c.sound(m) {
			c.stepReply(m)
		}
	case Success:
		if c.verify(m) {
			c.learner.onSuccess(m)
		}
	case LearnValue:
		if m.Instance > c.instance {
			c.retry.keep(c, m) // overtook the one before
		} else if c.verify(m) && c.sound(m) {
			c.learner.onValue(m)
		}
	case Offer:
		c.learner.onOffer(m)
	case AskForLearn:
		c.Ahead(m.From, m.Instance) // who asks from ahead can teach
	default: // the rest is the teacher's
	}
}

// stepRequest sorts a prepare or accept by its instance
// (spec/protocol.md section 13.2).
func (c *Core) stepRequest(m *Message) {
	if m.Ballot.IsNull() || m.Ballot.Number > ballotMax || c.cfg.Following != nodeid.None {
		return // a null ballot makes a promise look like none, the highest leaves no next one
	}
	switch {
	case m.Instance == c.instance:
		if !c.verify(m) || !c.sound(m) {
			return
		}
		if c.abstain {
			// Promised without a word: whoever hears no answer asks others, and
			// this node votes for nothing lower when it votes again.
			c.acceptor.promised = maxBallot(c.acceptor.promised, m.Ballot)
			return
		}
		if m.Kind == Prepare {
			c.acceptor.onPrepare(m)
		} else {
			c.acceptor.onAccept(m)
		}
	case m.Instance > c.instance:
		c.observe(event.Event{Kind: event.RequestOtherInstance, Peer: m.From, Instance: m.Instance})
		if c.cfg.Hazards.InferFromNextAccept && m.Instance == c.instance+1 {
			c.learner.infer(m)
		}
		c.retry.keep(c, m)
		// The sender considers this instance decided. Its word is no proof of
		// the value (hazard H1), so ask it rather than guess.
		c.learner.askSoon(m.From)
	default:
		c.observe(event.Event{Kind: event.RequestOtherInstance, Peer: m.From, Instance: m.Instance})
	}
}

func (c *Core) stepReply(m *Message) {
	if c.cfg.Following != nodeid.None {
		return
	}
	switch {
	case m.Instance == c.instance && m.Kind == PrepareReply:
		c.proposer.onPrepareReply(m)
	case m.Instance == c.instance:
		c.proposer.onAcceptReply(m)
	case m.Instance+1 == c.instance:
		c.proposer.onLateReply(m)
	default:
		c.observe(event.Event{Kind: event.ReplyOtherInstance, Peer: m.From, Instance: m.Instance})
	}
}

// verify compares a stated checksum chain with the own one
// (spec/protocol.md section 8.5). A difference means that two nodes executed
// different values; going on would spread it.
func (c *Core) verify(m *Message) bool {
	if m.Instance != c.instance {
		return true
	}
	if !c.sameHistory(m) {
		return false // the members are compared; one of them proves nothing
	}
	if m.LastChecksum == 0 {
		return true
	}
	if c.lastChecksum == 0 && c.instance > 0 {
		c.lastChecksum = m.LastChecksum // the own chain is unknown, behind a checkpoint
		return true
	}
	if c.lastChecksum == m.LastChecksum {
		return true
	}
	c.observe(event.Event{Kind: event.ChecksumMismatch, Peer: m.From, Instance: m.Instance})
	// The original's packet checksum lets six of seven flipped bits through: a
	// packet without our own is only believed when it says the same twice.
	claim := chainClaim{m.From, m.Instance, m.LastChecksum}
	if m.Checked || c.suspect == claim {
		c.fail(fmt.Errorf("%w: before instance %d the chain is %08x here and %08x at %v",
			ErrDiverged, c.instance, c.lastChecksum, m.LastChecksum, m.From))
	}
	c.suspect = claim
	return false
}

// chainClaim is what a peer said of the checksum chain before an instance.
type chainClaim struct {
	from     nodeid.ID
	instance uint64
	checksum uint32
}

// ballotMax is the highest number that a ballot may have. Honest numbers
// count rounds and never get near; a flipped bit might.
const ballotMax = 1 << 62

// Propose drives a packed value at the current instance. If the instance has
// an unfinished value already, that one is driven instead (a ballot may have
// carried it), so compare what Chosen says. Call it again after Advance.
func (c *Core) Propose(value []byte) {
	if c.err != nil || c.learner.chosen != nil {
		return
	}
	c.proposer.newValue(value)
	c.check()
}

// Abandon stops the rounds under way. The value may still be chosen later,
// and stays the one that this instance proposes.
func (c *Core) Abandon() { c.proposer.rest() }

// CancelSkipPrepare makes the next proposal prepare again.
func (c *Core) CancelSkipPrepare() { c.proposer.canSkip = false }

// Saved tells that every save up to seq is on disk, and lets go what waited.
func (c *Core) Saved(seq uint64) {
	if c.err != nil {
		return
	}
	c.out.saved(seq)
	c.check()
}

// Unhurried reports whether the saves under way hold back nothing but this
// node's own vote, in a round that needs another node's vote as well: then
// Saved may as well be called when that has come.
func (c *Core) Unhurried() bool {
	if c.err != nil || !c.proposer.accepting || c.proposer.tally.missing() < 2 || len(c.out.gated) == 0 {
		return false
	}
	for i := range c.out.gated {
		if m := &c.out.gated[i].m; m.To != c.cfg.Me || m.Kind != AcceptReply {
			return false
		}
	}
	return true
}

// SaveFailed tells that the saves from seq on are not on disk. What they
// promise is never said, and the core stops.
func (c *Core) SaveFailed(seq uint64, err error) {
	if c.err != nil {
		return
	}
	c.acceptor.saveFailed(seq)
	c.fail(fmt.Errorf("%w: %w", ErrSave, err))
}

// Tick moves time to now and fires what is due. Time never goes back.
func (c *Core) Tick(now time.Duration) {
	if now > c.now {
		c.now = now
	}
	for c.err == nil {
		_, kind, ok := c.timers.Pop(c.now)
		if !ok {
			break
		}
		switch kind {
		case timerPrepare:
			c.proposer.onPrepareTimer()
		case timerAccept:
			c.proposer.onAcceptTimer()
		case timerAsk:
			c.learner.askAgain()
		}
	}
	c.check()
}

// Deadline is when Tick is due next; ok is false when nothing is armed.
func (c *Core) Deadline() (at time.Duration, ok bool) { return c.timers.Next() }

// Flush hands out messages and saves. Messages go first: none of them
// depends on the saves behind them, and the peers can begin meanwhile.
func (c *Core) Flush() { c.out.flush() }

// Chosen returns the decided value of the current instance, or nil. It stays
// until Advance.
func (c *Core) Chosen() *Chosen { return c.learner.chosen }

// Advance moves to the next instance. Call it once the chosen value has been
// executed.
func (c *Core) Advance() {
	if c.err != nil || c.learner.chosen == nil {
		return
	}
	if c.cfg.ExecuteFirst && c.proposer.closed {
		c.learner.announce()
	}
	c.lastChecksum, c.lastBallot = c.learner.chosen.Checksum, c.learner.chosen.Ballot
	c.lastChain = c.learner.chosen.Chain
	c.moveTo(c.instance + 1)
	c.check()
}

// Skip moves to instance behind a checkpoint that covers everything below.
// The promise is kept: it covers later instances too (P2, P5). A record at
// instance carries it on, so that the ones before may go once Saved tells of
// the save that Skip returns; 0 means that nothing was done.
func (c *Core) Skip(instance uint64) (save uint64) {
	if c.err != nil || instance <= c.instance {
		return 0
	}
	c.lastChecksum, c.lastChain, c.lastBallot = 0, 0, Ballot{}
	c.begin(instance)
	save = c.acceptor.save(!c.acceptor.noSync)
	c.retry.run(c)
	c.check()
	return save
}

func (c *Core) moveTo(instance uint64) {
	c.begin(instance)
	c.retry.run(c)
}

// begin starts an instance with nothing but what lasts longer than one.
func (c *Core) begin(instance uint64) {
	c.instance = instance
	c.proposer.newInstance()
	c.acceptor.newInstance()
	c.learner.newInstance()
	c.observe(event.Event{Kind: event.InstanceStart, Instance: instance})
}

// SetMembers changes who votes, between two instances. Promises of the old
// members need not meet votes of the new ones, so the next proposal prepares
// again (P7, hazard H2).
func (c *Core) SetMembers(m Membership) {
	c.members = m
	if !c.cfg.Hazards.KeepBallotOnMembers {
		c.proposer.canSkip = false
	}
}

// Abstain keeps the core from promising and voting, or lets it. The caller
// has to see to it that nothing is proposed meanwhile.
func (c *Core) Abstain(abstain bool) { c.abstain = abstain }

// Vouch saves what this node has accepted and promised at the current
// instance once more, durably, and with it everything before. It returns the
// save.
func (c *Core) Vouch() (save uint64) {
	if c.err != nil {
		return 0
	}
	return c.acceptor.save(!c.acceptor.noSync)
}

// SetSync changes how often promises and votes are synced: never, or one in
// interval+1.
func (c *Core) SetSync(never bool, interval int) {
	c.acceptor.noSync, c.acceptor.syncInterval = never, interval
}

// Instance is the current instance.
func (c *Core) Instance() uint64 { return c.instance }

// Readable is the instance below which the log holds every record in its final
// form. A record that is only asked for may still replace a vote that came to
// nothing, and teaching that one would be teaching what was not chosen.
func (c *Core) Readable() uint64 {
	if len(c.out.unsaved) > 0 {
		return min(c.out.unsaved[0].instance, c.instance)
	}
	return c.instance
}

// AllSaved reports whether the log holds everything that was asked for.
func (c *Core) AllSaved() bool { return len(c.out.unsaved) == 0 }

// LastChecksum is the checksum chain through the instance before.
func (c *Core) LastChecksum() uint32 { return c.lastChecksum }

// LastBallot decided the instance before, as far as this node knows; it is
// null after a start.
func (c *Core) LastBallot() Ballot { return c.lastBallot }

// Members is who votes.
func (c *Core) Members() Membership { return c.members }

// IsLatest reports whether this node knows of no instance that it lacks; a
// proposal would only lose otherwise.
func (c *Core) IsLatest() bool { return c.instance+1 >= c.learner.highest }

// Highest is the highest current instance that another node claimed.
func (c *Core) Highest() uint64 { return c.learner.highest }

// Promised is the highest ballot that was promised.
func (c *Core) Promised() Ballot { return c.acceptor.promised }

// Accepted is the ballot and value accepted at the current instance.
func (c *Core) Accepted() (Ballot, []byte) { return c.acceptor.accepted, c.acceptor.value }

// Proposing reports whether a round is under way.
func (c *Core) Proposing() bool { return c.proposer.preparing || c.proposer.accepting }

// CatchUp asks everybody for what this node lacks, unless that was done just
// now; the periodic ask would be seconds away.
func (c *Core) CatchUp() {
	if c.err == nil && c.now >= c.learner.nextAll {
		c.learner.nextAll = c.now + c.cfg.Timing.AskSoon
		highest := c.learner.highest
		c.learner.ask()
		c.learner.highest = highest
	}
}

// SetCovered says whether this node is told by other means where every other
// member is. While it is, and lacks nothing that it knows of, it does not ask:
// an idle core then has no deadline at all.
func (c *Core) SetCovered(covered bool) {
	c.learner.covered = covered
	if c.learner.askTimer == 0 && c.err == nil && !c.learner.atRest() {
		c.learner.armAsk()
	}
}

// Ahead tells that a node is at an instance; if that is ahead of this one, it
// is asked, unless that was done just now.
func (c *Core) Ahead(node nodeid.ID, instance uint64) {
	if c.err != nil || instance <= c.instance {
		return
	}
	c.learner.sees(instance)
	c.learner.askSoon(node)
}

// Learning puts the next ask off: values are coming in.
func (c *Core) Learning() { c.learner.armAsk() }

// Err is why the core stopped, or nil.
func (c *Core) Err() error { return c.err }

func (c *Core) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *Core) observe(e event.Event) { c.env.Observe(e) }
