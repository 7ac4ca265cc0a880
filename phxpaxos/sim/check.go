package sim

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// Violation is something that must never happen. It is the error of a run.
type Violation struct {
	At    time.Duration // world time
	Check string        // which rule
	Text  string        // what happened
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s violated after %v: %s", v.Check, v.At, v.Text)
}

// reporter takes the first violation of a run.
type reporter struct {
	now   func() time.Duration
	only  string // the only check that counts, if it is set
	first *Violation
}

func (r *reporter) fail(check, format string, args ...any) {
	if r.first != nil || r.only != "" && r.only != check {
		return
	}
	r.first = &Violation{Check: check, Text: fmt.Sprintf(format, args...)}
	if r.now != nil {
		r.first.At = r.now()
	}
}

// checks holds what is checked of one group over all nodes. It is fed with
// facts and knows nothing of the world.
type checks struct {
	model   *model
	log     *logCheck
	shadow  *logCheck // of the second state machine
	votes   *voteCheck
	disk    []*diskCheck // by node
	sends   *sendCheck
	calls   *callCheck
	masters *masterCheck
	reads   *readCheck
}

// newChecks returns the checks of one group on the nodes with these addresses;
// members vote until the log says otherwise.
func newChecks(r *reporter, group int, ids []nodeid.ID, members nodeSet) *checks {
	m := newModel(members)
	c := &checks{
		model:   m,
		votes:   newVoteCheck(r, group, m),
		calls:   newCallCheck(r, group),
		masters: newMasterCheck(r, group, len(ids), m),
		reads:   &readCheck{r: r, group: group},
	}
	c.log, c.shadow = newLogCheck(r, group, c.votes), newLogCheck(r, group, c.votes)
	promises := map[paxos.Ballot]nodeSet{}
	for n, id := range ids {
		c.disk = append(c.disk, newDiskCheck(r, group, n, id, promises))
	}
	c.sends = newSendCheck(r, group, ids, c.disk, c.votes, promises)
	return c
}

// saved takes a record that a group hands to its disk.
func (c *checks) saved(node int, rec *paxos.Record, sync bool) {
	c.disk[node].issued(rec, sync)
	c.model.remember(rec.Instance, rec.Value)
}

// written takes the oldest n records of a node off its way to the disk: they
// are written, and durable as far as they or a later one asked for a sync.
func (c *checks) written(node, n int) {
	for _, r := range c.disk[node].written(n) {
		c.votes.durable(node, r.instance, r.accepted, r.hash)
	}
}
