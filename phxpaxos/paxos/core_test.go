package paxos

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

const (
	me nodeid.ID = 1
	n2 nodeid.ID = 2
	n3 nodeid.ID = 3
)

// box collects what a core hands out.
type box struct {
	saves []Save
	sent  []Message
	seen  map[event.Kind]int
}

func (b *box) Save(s Save)           { b.saves = append(b.saves, s) }
func (b *box) Send(m *Message)       { b.sent = append(b.sent, *m) }
func (b *box) Observe(e event.Event) { b.seen[e.Kind]++ }

// take flushes and returns what came out, without the asks for learning.
func (b *box) take(c *Core) (saves []Save, sent []Message) {
	c.Flush()
	saves, b.saves = b.saves, nil
	for _, m := range b.sent {
		if m.Kind != AskForLearn {
			sent = append(sent, m)
		}
	}
	b.sent = nil
	return saves, sent
}

func newCore(t *testing.T, s State) (*Core, *box) {
	t.Helper()
	b := &box{seen: map[event.Kind]int{}}
	cfg := Config{Me: me, Members: NewMembership([]nodeid.ID{n3, me, n2}), Timing: TimingFor(false, false),
		Rand: rand.New(rand.NewPCG(1, 2))}
	c := New(cfg, b, s, 0)
	c.Flush()
	*b = box{seen: b.seen}
	t.Cleanup(func() {
		if err := c.Err(); errors.Is(err, ErrInvariant) {
			t.Error(err)
		}
	})
	return c, b
}

// leader returns a core that has passed a prepare with ballot 1 at instance 0.
func leader(t *testing.T) (*Core, *box) {
	c, b := newCore(t, State{})
	c.Propose([]byte("v"))
	saves, _ := b.take(c)
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: PrepareReply, From: n2, Ballot: Ballot{1, 0}})
	return c, b
}

func kinds(ms []Message) (ks []Kind) {
	for _, m := range ms {
		ks = append(ks, m.Kind)
	}
	return ks
}

// "An acceptor that has promised responds only after the promise is on stable
// storage" (Paxos Made Simple, section 2.5).
func TestPromiseWaitsForTheDisk(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Prepare, From: n2, Ballot: Ballot{5, n2}})
	saves, sent := b.take(c)
	if len(sent) != 0 {
		t.Fatalf("%v left before the promise was durable", sent)
	}
	if len(saves) != 1 || saves[0].Record.Promised != (Ballot{5, n2}) || !saves[0].Sync {
		t.Fatalf("saves %+v", saves)
	}
	c.Saved(saves[0].Seq)
	_, sent = b.take(c)
	if len(sent) != 1 || sent[0].Kind != PrepareReply || sent[0].To != n2 || sent[0].Rejected() || sent[0].Ballot.Number != 5 {
		t.Fatalf("sent %v", sent)
	}
}

func TestVoteWaitsForTheDiskAndRejectionDoesNot(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Accept, From: n2, Ballot: Ballot{5, n2}, Value: []byte("x")})
	c.Step(&Message{Kind: Accept, From: n3, Ballot: Ballot{4, n3}, Value: []byte("y")})
	saves, sent := b.take(c)
	if len(sent) != 1 || sent[0].To != n3 || sent[0].RejectedBy != 5 {
		t.Fatalf("want the rejection alone, got %v", sent)
	}
	if len(saves) != 1 || string(saves[0].Record.Value) != "x" {
		t.Fatalf("saves %+v", saves)
	}
	c.Saved(1)
	if _, sent = b.take(c); len(sent) != 1 || sent[0].Kind != AcceptReply || sent[0].To != n2 {
		t.Fatalf("sent %v", sent)
	}
}

func TestPrepareLeavesOnceTheBallotIsDurableHere(t *testing.T) {
	c, b := newCore(t, State{})
	c.Propose([]byte("v"))
	saves, sent := b.take(c)
	if len(sent) != 0 || len(saves) != 1 {
		t.Fatalf("saves %v sent %v", saves, sent)
	}
	c.Saved(1)
	_, sent = b.take(c)
	if !slices.Equal(kinds(sent), []Kind{Prepare}) || sent[0].To != nodeid.None || sent[0].Ballot != (Ballot{1, me}) {
		t.Fatalf("sent %v", sent)
	}
}

func TestAcceptLeavesWithTheOwnVoteStillOnItsWay(t *testing.T) {
	c, b := leader(t)
	saves, sent := b.take(c)
	if !slices.Contains(kinds(sent), Accept) || len(saves) != 1 {
		t.Fatalf("saves %v sent %v", saves, sent)
	}
	// Two other votes are a majority without the own one.
	c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}})
	if c.Chosen() != nil {
		t.Fatal("chosen by one durable vote of three")
	}
	c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}})
	if c.Chosen() == nil || string(c.Chosen().Value) != "v" {
		t.Fatal("not chosen by two durable votes of three")
	}
	if _, sent = b.take(c); !slices.Equal(kinds(sent), []Kind{Success}) {
		t.Fatalf("sent %v", sent)
	}
}

func TestOwnVoteCountsOnceDurable(t *testing.T) {
	c, b := leader(t)
	saves, _ := b.take(c)
	c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}})
	c.Saved(saves[0].Seq)
	if c.Chosen() == nil {
		t.Fatal("own durable vote and one more are a majority")
	}
}

// What the disk reports may wait for the next input only where nothing but the
// own vote waits for it, and that alone decides nothing.
func TestUnhurried(t *testing.T) {
	c, b := newCore(t, State{})
	want := func(when string, unhurried bool) {
		t.Helper()
		b.take(c)
		if c.Unhurried() != unhurried {
			t.Errorf("%s: unhurried %v", when, !unhurried)
		}
	}
	want("idle", false)
	c.Propose([]byte("v"))
	want("the others have not heard of the ballot", false)
	c.Saved(1)
	want("prepared", false)
	c.Step(&Message{Kind: PrepareReply, From: n2, Ballot: Ballot{1, 0}})
	want("nobody has voted", true)
	c.Step(&Message{Kind: AcceptReply, From: n3, Instance: 7, Ballot: Ballot{1, 0}})
	want("a vote of another instance", true)
	c.Step(&Message{Kind: Prepare, From: n3, Ballot: Ballot{5, n3}})
	want("a promise to another waits as well", false)
	c.Saved(3)
	want("all is saved", false)

	c, b = leader(t)
	want("nobody has voted", true)
	c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}})
	want("the own vote decides", false)
	c.Saved(2)
	want("decided", false)
}

func TestRepeatedAndForeignRepliesDoNotCount(t *testing.T) {
	c, _ := leader(t)
	for range 3 {
		c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}})               // repeated
		c.Step(&Message{Kind: AcceptReply, From: 99, Ballot: Ballot{1, 0}})               // no member
		c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{7, 0}})               // another ballot
		c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}, Instance: 1})  // another instance
		c.Step(&Message{Kind: PrepareReply, From: n3, Ballot: Ballot{1, 0}, Instance: 0}) // late
		c.Step(&Message{Kind: AcceptReply, From: me, Ballot: Ballot{1, 0}, Instance: 0})  // in this node's name
	}
	if c.Chosen() != nil {
		t.Fatal("chosen without a majority")
	}
}

// "… with value v, where v is the value of the highest-numbered proposal among
// the responses" (Paxos Made Simple, section 2.2).
func TestHighestReportedValueIsProposed(t *testing.T) {
	c, b := newCore(t, State{Promised: Ballot{9, n3}, Accepted: Ballot{3, n2}, Value: []byte("low")})
	c.Propose([]byte("mine"))
	saves, _ := b.take(c)
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: PrepareReply, From: n2, Ballot: Ballot{10, 0}, PreAccepted: Ballot{7, n3}, Value: []byte("high")})
	_, sent := b.take(c)
	i := slices.IndexFunc(sent, func(m Message) bool { return m.Kind == Accept })
	if i < 0 || string(sent[i].Value) != "high" || sent[i].Ballot != (Ballot{10, me}) {
		t.Fatalf("sent %v", sent)
	}
}

func TestEveryPrepareTakesAFreshBallot(t *testing.T) {
	c, b := newCore(t, State{})
	c.Propose([]byte("v"))
	var seen []uint64
	for range 4 {
		saves, sent := b.take(c)
		for _, m := range sent {
			if m.Kind == Prepare {
				seen = append(seen, m.Ballot.Number)
			}
		}
		if len(saves) > 0 {
			c.Saved(saves[len(saves)-1].Seq)
			continue
		}
		at, _ := c.Deadline()
		c.Tick(at)
	}
	if len(seen) < 2 || !slices.IsSorted(seen) || seen[0] == seen[1] {
		t.Fatalf("ballots %v", seen)
	}
}

func TestInstanceLostToAnotherBallotPreparesAgain(t *testing.T) {
	c, b := leader(t)
	saves, _ := b.take(c)
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: LearnValue, From: n2, Ballot: Ballot{4, n2}, Value: []byte("theirs")})
	if c.Chosen() == nil {
		t.Fatal("not learned")
	}
	c.Advance()
	c.Propose([]byte("next"))
	saves, _ = b.take(c)
	c.Saved(saves[len(saves)-1].Seq)
	_, sent := b.take(c)
	if !slices.Contains(kinds(sent), Prepare) || slices.Contains(kinds(sent), Accept) {
		t.Fatalf("hazard H1: %v, want a prepare and no accept", sent)
	}
}

func TestOwnInstanceSkipsThePrepare(t *testing.T) {
	c, b := leader(t)
	b.take(c)
	c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}})
	c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}})
	c.Advance()
	c.Propose([]byte("next"))
	if _, sent := b.take(c); slices.Contains(kinds(sent), Prepare) || !slices.Contains(kinds(sent), Accept) {
		t.Fatalf("sent %v", sent)
	}
	c.SetMembers(NewMembership([]nodeid.ID{me, n2, n3, 4, 5}))
	c.Abandon()
	c.Propose([]byte("next"))
	if _, sent := b.take(c); slices.Contains(kinds(sent), Accept) {
		t.Fatalf("hazard H2: %v after the membership changed", sent)
	}
}

func TestAcceptForTheNextInstanceProvesNothing(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Accept, From: n2, Ballot: Ballot{5, n2}, Value: []byte("x")})
	c.Tick(time.Second)
	c.Step(&Message{Kind: Accept, From: n2, Instance: 1, Ballot: Ballot{5, n2}, Value: []byte("y"),
		LastChecksum: ChainChecksum(0, 0, []byte("x"))})
	if c.Chosen() != nil {
		t.Fatal("hazard H1: an accept for the next instance was taken as a decision")
	}
	c.Flush()
	if !slices.ContainsFunc(b.sent, func(m Message) bool { return m.Kind == AskForLearn && m.To == n2 }) {
		t.Fatal("the node that is ahead was not asked")
	}
	// Once learned, the kept accept is voted on.
	c.Step(&Message{Kind: LearnValue, From: n2, Ballot: Ballot{5, n2}, Value: []byte("x")})
	c.Advance()
	if b, v := c.Accepted(); b != (Ballot{5, n2}) || string(v) != "y" {
		t.Fatalf("accepted %v %q", b, v)
	}
}

func TestLearningKeepsTheHigherPromise(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Prepare, From: n3, Ballot: Ballot{10, n3}})
	b.take(c)
	c.Step(&Message{Kind: LearnValue, From: n2, Ballot: Ballot{5, n2}, Value: []byte("x")})
	saves, _ := b.take(c)
	r := saves[0].Record
	if r.Promised != (Ballot{10, n3}) || r.Accepted != (Ballot{5, n2}) || string(r.Value) != "x" {
		t.Fatalf("hazard H3: record %+v", r)
	}
}

func TestDivergedHistoryStopsTheCore(t *testing.T) {
	start := State{Instance: 3, LastChecksum: 77}
	wrong := &Message{Kind: Accept, From: n2, Instance: 3, Ballot: Ballot{5, n2}, Value: []byte("x"), LastChecksum: 78}
	c, _ := newCore(t, start)
	c.Step(wrong)
	if c.Err() != nil {
		t.Fatal("a packet that may be damaged was believed at once")
	}
	c.Step(wrong)
	if !errors.Is(c.Err(), ErrDiverged) {
		t.Fatalf("repeated: %v", c.Err())
	}
	c, _ = newCore(t, start)
	sure := *wrong
	sure.Checked = true
	c.Step(&sure)
	if !errors.Is(c.Err(), ErrDiverged) {
		t.Fatalf("checked: %v", c.Err())
	}
	c, b := newCore(t, start)
	c.Step(&Message{Kind: Accept, From: n2, Instance: 3, Ballot: Ballot{5, n2}, Value: []byte("x")})
	c.Step(&Message{Kind: LearnValue, From: n3, Instance: 3, Ballot: Ballot{5, n2}, Value: []byte("y")})
	if !errors.Is(c.Err(), ErrDiverged) {
		t.Fatalf("two values under one ballot: %v", c.Err())
	}
	c.Step(&Message{Kind: Prepare, From: n2, Instance: 3, Ballot: Ballot{50, n2}})
	c.Propose([]byte("z"))
	c.Saved(1)
	if _, sent := b.take(c); len(sent) != 0 {
		t.Fatalf("a stopped core said %v", sent)
	}
}

func TestFailedSaveIsNeverPromised(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Prepare, From: n2, Ballot: Ballot{5, n2}})
	b.take(c)
	c.SaveFailed(1, errors.New("no space"))
	if _, sent := b.take(c); len(sent) != 0 {
		t.Fatalf("sent %v", sent)
	}
	if !errors.Is(c.Err(), ErrSave) || b.seen[event.PromiseSaveFailed] != 1 {
		t.Fatalf("err %v, events %v", c.Err(), b.seen)
	}
}

func TestUnfinishedValueOfAnInstanceIsKept(t *testing.T) {
	c, b := leader(t)
	b.take(c)
	c.Abandon()
	c.Propose([]byte("other"))
	_, sent := b.take(c)
	i := slices.IndexFunc(sent, func(m Message) bool { return m.Kind == Accept })
	if i < 0 || string(sent[i].Value) != "v" {
		t.Fatalf("two values under one ballot: %v", sent)
	}
}

func TestLateRejectionLeadsToANewBallot(t *testing.T) {
	c, b := leader(t)
	b.take(c)
	c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}})
	c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}})
	c.Advance()
	c.Step(&Message{Kind: AcceptReply, From: n3, Ballot: Ballot{1, 0}, RejectedBy: 40})
	c.Propose([]byte("next"))
	saves, _ := b.take(c)
	c.Saved(saves[len(saves)-1].Seq)
	_, sent := b.take(c)
	if len(sent) != 1 || sent[0].Kind != Prepare || sent[0].Ballot.Number != 41 {
		t.Fatalf("sent %v", sent)
	}
}

func TestAbsurdNumbersAreIgnored(t *testing.T) {
	c, b := newCore(t, State{})
	c.Step(&Message{Kind: Prepare, From: n2, Ballot: Ballot{1 << 63, n2}})
	c.Step(&Message{Kind: Prepare, From: n2})
	if saves, sent := b.take(c); len(saves)+len(sent) != 0 {
		t.Fatalf("saves %v sent %v", saves, sent)
	}
	c.Step(&Message{Kind: AskForLearn, From: n2, Instance: 1 << 60})
	if c.IsLatest() {
		t.Fatal("a claim from ahead is to be looked into")
	}
	c.Tick(4 * time.Second)
	if !c.IsLatest() {
		t.Fatal("a claim that nobody repeats stops proposals for ever")
	}
}

func TestAcknowledgesEveryFourth(t *testing.T) {
	c, b := newCore(t, State{Instance: 6})
	var acked []uint64
	for i := uint64(6); i < 20; i++ {
		c.Step(&Message{Kind: LearnValue, From: n2, Instance: i, Ballot: Ballot{1, n2}, Value: []byte("x"), NeedAck: true})
		c.Advance()
	}
	_, sent := b.take(c)
	for _, m := range sent {
		if m.Kind == LearnAck {
			acked = append(acked, m.Instance)
		}
	}
	if !slices.Equal(acked, []uint64{6, 10, 14, 18}) { // measured on an original node
		t.Fatalf("acknowledged %v", acked)
	}
}

func TestChecksumChain(t *testing.T) {
	// spec/protocol.md section 8.5, measured on an original node.
	want := []uint32{1696249449, 4079424804, 4180623363}
	last := uint32(0)
	for i, w := range want {
		last = ChainChecksum(uint64(i), last, append([]byte{1, 0, 0, 0, 'v', 'a', 'l', 'u', 'e'}, byte('0'+i)))
		if last != w {
			t.Errorf("instance %d: %d, want %d", i, last, w)
		}
	}
	if got := ChainChecksum(5, 0, []byte("x")); got != 0 {
		t.Errorf("an unknown chain became %d", got)
	}
}

// most draws the highest number there is.
type most struct{}

func (most) IntN(n int) int { return n - 1 }

// Proposers that are far from each other would overtake each other for ever
// with the original's pauses, so these grow while one value loses its rounds;
// the next value begins with the first again (simulator: seed 4218 of
// checkpoints worlds with 5 nodes).
func TestPausesBetweenLostRoundsGrow(t *testing.T) {
	b := &box{seen: map[event.Kind]int{}}
	c := New(Config{Me: me, Members: NewMembership([]nodeid.ID{me, n2, n3}), Timing: TimingFor(false, false), Rand: most{}}, b, State{}, 0)
	b.take(c)
	now := time.Duration(0)
	lose := func() (pause time.Duration) {
		saves, _ := b.take(c)
		c.Saved(saves[len(saves)-1].Seq)
		_, sent := b.take(c)
		last := sent[len(sent)-1] // an abandoned round may come first
		if last.Kind != Prepare {
			t.Fatalf("sent %v", sent)
		}
		for _, from := range []nodeid.ID{n2, n3} {
			c.Step(&Message{Kind: PrepareReply, From: from, Ballot: last.Ballot, RejectedBy: last.Ballot.Number + 1})
		}
		at, _ := c.Deadline()
		pause, now = at-now, at
		c.Tick(now)
		return pause
	}
	var pauses []time.Duration
	c.Propose([]byte("v"))
	for range 7 { // then it is time to ask for what was missed
		pauses = append(pauses, lose())
	}
	const ms = time.Millisecond
	if want := []time.Duration{39 * ms, 69 * ms, 129 * ms, 249 * ms, 489 * ms, 969 * ms, 1009 * ms}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	c.Abandon()
	c.Propose([]byte("w"))
	if pause := lose(); pause != 39*ms {
		t.Errorf("a new value begins with a pause of %v", pause)
	}
}
