package group

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	historyFirst = 50 * time.Millisecond // pause between two questions, doubled each time
	historyMost  = 2 * time.Second       // up to this
	// What is no answer to a question of this life may be of an earlier one for
	// so long after a start: original nodes drop what has waited for 5 s, in
	// their large value mode 20 s.
	historyGuard      = 8 * time.Second
	historyGuardLarge = 25 * time.Second
)

// NewcomerFile is the name of the file in a group's directory that stands for
// the variable Newcomer. It is empty; one with contents is of a later format.
const NewcomerFile = "newcomer"

// pointUnknown is beyond every instance.
const pointUnknown = 1 << 62

// newcomer keeps a node from voting that starts without a log. It may have
// had one: then it has forgotten what it promised and voted for, and voting
// again could get a second value chosen. So such a node learns, and votes
// when nothing that it may have forgotten can matter any more.
//
// Call the former life O, and I the instance at which it died. O voted and
// promised at I and below only, and everything below I is decided.
//
//   - How far O can have been. I-1 was decided by a quorum of n members, each
//     of which has its vote there or is beyond it. n-q+1 answers of members
//     other than this node meet that quorum in another node than O (q of n
//     are a quorum). An answer is the node's instance, and one more if it has
//     accepted something there. So the highest answer is at least I; call it
//     T. If I-1 fell to members of an earlier time, it was at most the
//     instance V that set the present ones, so let T be at least V+1.
//   - Votes of O: all at I or below, so at most T.
//   - Promises of O, which hold for later instances, too. A proposer P uses a
//     ballot b without preparing it again only while it wins every instance
//     with it (hazard H1), and among the same members (hazard H2). So b can be
//     used at i > T+1 only if T+1 was chosen under b; under no other ballot as
//     well, since those who promised b (all but this node, which does not vote
//     yet) vote for nothing lower there. Who has learned T+1 has learned its
//     ballot, and promises no less from then on. So this node votes from T+2
//     on, if it has learned the instance before from others, not skipped it.
//   - Ballots of O as a proposer: none was used above T, so none is used twice
//     if this node proposes only then.
//
// Two exceptions. If the members change at an instance V >= T, with T from
// answers of those who voted there, then O was not beyond V: it would have
// taken V's quorum, one of which would have answered V+1. No ballot outlives V,
// so this node votes from V+1 on.
//
// And with an even n two quorums have two members in common, so what one of
// them forgets decides nothing: there this node votes, and still proposes
// nothing, at instances at which no other has forgotten anything. Let D be one
// that had forgotten, and F the first instance at which that does not matter,
// T+2 or V+1 of D. D's caution ends at F+1, one later than with an odd n, so F
// is decided then, and of n-q+1 answers one is above F. So this node votes from
// T-1 on, which is F or above. (Below, a packet of D's former life might find a
// second quorum.)
//
// At instance 0 it takes part like any other, as long as nobody has been heard
// of who is beyond it: something is decided there only if a quorum is at
// instance 0, and then the cluster is new. So a new cluster waits for nothing,
// also with members that do not answer. The caution ends when n-q+1 others say
// that they are at instance 0 and nobody says otherwise, or when instance 0 was
// decided with this node's vote or by its own round.
//
// Hence what an operator must not do: wipe a node as long as so many others
// have not yet learned instance 0 (for good: a loss of power may take back what
// was learned in the last half minute), or packets of that time can be under
// way; wipe a second one before the first votes again; or make such a node the
// only member. Original proposers keep ballots in ways that nothing guards
// against (H1, H2); of these a ballot that is seen while this node does not vote
// is promised, which leaves those that are not seen for so long.
type newcomer struct {
	active  bool
	marked  bool         // the disk knows of it
	history bool         // somebody is beyond instance 0
	took    bool         // instance 0 was decided with this node's vote
	voted   paxos.Ballot // of that vote, in this life; what the core has accepted may be a lesson
	nonce   uint64
	heard   []answer
	free    uint64 // from this instance on a change of the members has made it safe; 0 for none
	save    uint64 // when this is on disk the caution ends; 0 if it does not yet
	pause   time.Duration
	level   uint64        // instance at which the last question was asked
	at      time.Duration // of the next question
	began   time.Duration
	turn    int
}

// answer is how far another node is.
type answer struct {
	id    nodeid.ID
	at    uint64 // its instance, the newest that was heard
	point uint64 // nothing at this instance or above had its vote, at some time in this life
	sure  bool   // it answered a question of this life
}

// init decides whether this node is one. logged says that it has a log.
func (n *newcomer) init(g *Group, logged bool) error {
	if !g.cfg.CheckHistory || g.cfg.Following != nodeid.None {
		return nil
	}
	_, marked, err := g.env.Variable(Newcomer)
	if err != nil {
		return fmt.Errorf("group %d: read whether this node may vote: %w", g.cfg.Index, err)
	}
	n.marked, n.active = marked, marked || !logged
	if !n.active {
		return nil
	}
	n.began, n.pause = g.now, historyFirst
	n.at = g.now + 1
	n.nonce = nonce(g.cfg.Rand)
	g.core.Abstain(n.waits(g))
	return nil
}

// waits reports whether this node votes for nothing that it may have forgotten.
func (n *newcomer) waits(g *Group) bool {
	return n.active && (n.history || g.core.Instance() > 0)
}

// proposes reports whether this node may begin a round. Where the members are
// in the log, those of instance 0 may not be the ones it was started with, so
// a quorum has to be there.
func (n *newcomer) proposes(g *Group) bool {
	if n.waits(g) || !n.active || !g.cfg.UseMembers {
		return !n.waits(g)
	}
	_, zeros, _ := n.counts(g)
	return zeros+1 >= g.core.Members().Quorum()
}

// saving is called before a record of this node goes to the disk: from then
// on an empty log does not tell any more.
func (n *newcomer) saving(g *Group) {
	if !n.active || n.marked {
		return
	}
	n.marked = true
	if err := g.env.SetVariable(Newcomer, []byte{1}); err != nil {
		g.stop(fmt.Errorf("%w: store that this node may not vote yet: %w", paxos.ErrSave, err))
	}
}

// asks sends the question to everybody who may be a member.
func (n *newcomer) asks(g *Group) {
	if n.level != g.core.Instance() { // what was asked for came
		n.level, n.pause = g.core.Instance(), historyFirst
	}
	n.at, n.pause = g.now+n.pause, min(2*n.pause, historyMost)
	asked := n.others(g)
	for _, id := range asked {
		g.send(&paxos.Message{Kind: paxos.HistoryAsk, To: id, Instance: g.core.Instance(), Ballot: paxos.Ballot{Number: n.nonce}})
	}
	// A cluster that decides nothing would never let this node vote.
	if len(asked) > 0 && g.core.IsLatest() && g.core.Instance() > 0 && n.answers(g) {
		n.turn++
		g.send(&paxos.Message{Kind: paxos.Drive, To: asked[n.turn%len(asked)], Instance: g.core.Instance()})
	}
}

// others are all nodes that may be members, as far as this one knows.
func (n *newcomer) others(g *Group) (ids []nodeid.ID) {
	for _, list := range [...][]nodeid.ID{g.core.Members(), g.system.peers, g.cfg.Members} {
		for _, id := range list {
			if id != g.cfg.Me && !contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func contains(list []nodeid.ID, id nodeid.ID) bool {
	for _, have := range list {
		if have == id {
			return true
		}
	}
	return false
}

func (n *newcomer) tick(g *Group) {
	if n.active && g.now >= n.at {
		n.asks(g)
		n.judge(g)
	}
}

// answer tells a newcomer how far this node is.
func (n *newcomer) answer(g *Group, m *paxos.Message) {
	g.send(&paxos.Message{Kind: paxos.HistoryReply, To: m.From, Instance: g.core.Instance(),
		Ballot: paxos.Ballot{Number: m.Ballot.Number}, Now: g.readPoint()})
}

// hears takes what a message says of how far its sender is. Original nodes do
// not answer the question, but say where they are when they ask to learn,
// offer lessons or propose.
func (n *newcomer) hears(g *Group, m *paxos.Message) {
	if !n.active {
		return
	}
	n.remark(g, m)
	a := answer{id: m.From, at: m.Instance, point: m.Instance + 1}
	switch m.Kind {
	case paxos.HistoryReply:
		if m.Ballot.Number != n.nonce {
			return
		}
		a.point, a.sure = m.Now, true
	case paxos.Offer:
		a.at, a.point = m.Now, m.Now+1
	case paxos.AskForLearn, paxos.Prepare, paxos.Accept:
	default:
		return
	}
	if m.Kind != paxos.HistoryReply && !n.guarded(g) {
		if m.Instance > 0 {
			return
		}
		a.point = pointUnknown // that the cluster is new is believed
	}
	n.note(a)
	n.judge(g)
}

// guarded reports whether packets of an earlier time are gone.
func (n *newcomer) guarded(g *Group) bool {
	if g.cfg.LargeMode {
		return g.now >= n.began+historyGuardLarge
	}
	return g.now >= n.began+historyGuard
}

// remark takes what a message says of the cluster being new or not.
func (n *newcomer) remark(g *Group, m *paxos.Message) {
	beyond := m.Instance > 0 || m.Kind == paxos.Offer && m.Now > 0
	if m.Instance == 0 && (m.Kind == paxos.Success || m.Kind == paxos.LearnValue) && g.core.Instance() == 0 {
		// A ballot of this node may be one of its former life's.
		n.took = n.took || !n.voted.IsNull() && n.voted == m.Ballot && n.voted.Node != g.cfg.Me
		beyond = beyond || !n.took
	}
	if beyond && !n.history {
		n.history = true
		n.judge(g)
	}
}

// stepped is called after the core has taken a request.
func (n *newcomer) stepped(g *Group, m *paxos.Message) {
	if !n.active || m.Kind != paxos.Accept || m.Instance > 0 || n.waits(g) {
		return
	}
	if b, _ := g.core.Accepted(); b == m.Ballot {
		n.voted = b
	}
}

func (n *newcomer) note(a answer) {
	for i := range n.heard {
		if h := &n.heard[i]; h.id == a.id {
			h.at = max(h.at, a.at)
			if a.sure && !h.sure || h.point == pointUnknown { // else the first one is late enough
				h.point, h.sure = a.point, a.sure
			}
			return
		}
	}
	if len(n.heard) < strayMax {
		n.heard = append(n.heard, a)
	}
}

// counts sums up what the present members have said.
func (n *newcomer) counts(g *Group) (count, zeros int, bound uint64) {
	for _, h := range n.heard {
		if !g.core.Members().Contains(h.id) || h.id == g.cfg.Me {
			continue
		}
		count++
		bound = max(bound, h.point)
		if h.at == 0 {
			zeros++
		}
	}
	return count, zeros, bound
}

// answers reports whether enough members have said how far they are.
func (n *newcomer) answers(g *Group) bool {
	count, _, _ := n.counts(g)
	return enough(g.core.Members(), count)
}

// enough reports whether so many others have one in every quorum.
func enough(members paxos.Membership, count int) bool {
	return count >= len(members)-members.Quorum()+1
}

// judge decides whether this node may vote at its instance, and whether the
// caution can end.
func (n *newcomer) judge(g *Group) {
	if !n.active || n.save != 0 || g.err != nil {
		return
	}
	members, at := g.core.Members(), g.core.Instance()
	if at != n.level {
		n.at = min(n.at, g.now+historyFirst)
	}
	if !members.Contains(g.cfg.Me) || g.system.isAhead {
		g.core.Abstain(true)
		return
	}
	count, zeros, bound := n.counts(g)
	known := !g.cfg.UseMembers || g.system.v.Cluster != 0 // who votes here, from the log
	told := enough(members, count)
	even := len(members)%2 == 0 // see newcomer
	late := uint64(0)
	if even {
		late = 1
	}
	g.core.Abstain(n.waits(g) && !(known && even && told && at+1 >= bound))
	switch {
	case at == 1 && !n.history && g.core.LastBallot().Node == g.cfg.Me, at > 0 && n.took, at == 0 && zeros == count && told:
		n.ends(g) // the cluster is new: decided by an own round, or with the own vote, or as others say
	case len(members) == 1 && len(n.others(g)) == 0:
		n.ends(g) // there is nobody else
	case n.free != 0 && at >= n.free+late:
		n.safe(g)
	case !known || !told:
	case at >= n.limit(g, bound)+2+late && !g.core.LastBallot().IsNull():
		n.safe(g)
	}
}

// limit is T for the members of the current instance.
func (n *newcomer) limit(g *Group, bound uint64) uint64 {
	if v := g.system.v.Version; v != wire.NoVersion {
		return max(bound, v+1)
	}
	return bound
}

// changes is called before the value of an instance makes other members.
func (n *newcomer) changes(g *Group, instance uint64) {
	if !n.active || g.core == nil || g.system.unknown || g.cfg.UseMembers && g.system.v.Cluster == 0 {
		return
	}
	count, _, bound := n.counts(g)
	if enough(g.core.Members(), count) && instance >= n.limit(g, bound) {
		n.free = instance + 1
	}
}

// safe: what this node knows is enough. It has to know it after a loss of
// power as well, and learned records are not synced.
func (n *newcomer) safe(g *Group) {
	n.save = g.core.Vouch()
}

// saved ends the caution once the disk has what it takes.
func (n *newcomer) saved(g *Group) {
	if n.active && n.save != 0 && g.saved >= n.save {
		n.ends(g)
	}
}

func (n *newcomer) ends(g *Group) {
	if n.marked {
		if err := g.env.SetVariable(Newcomer, nil); err != nil {
			g.stop(fmt.Errorf("%w: store that this node may vote: %w", paxos.ErrSave, err))
			return
		}
	}
	g.observe(event.Event{Kind: event.Voting, Instance: g.core.Instance(), Took: g.now - n.began})
	*n = newcomer{}
	g.core.Abstain(false)
}

// drive gets something decided at this instance for a newcomer.
func (g *Group) drive(m *paxos.Message) {
	if m.Instance == g.core.Instance() && g.isPeer(m.From) && !g.newcomer.active {
		g.reads.drive(g)
	}
}
