package phxpaxos

import (
	"context"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// request is what a proposal asks of its group, and with which nodes.
type request struct {
	kind        requestKind
	add, remove nodeid.ID     // changeMembers
	target      nodeid.ID     // handMaster
	limit       feature.Level // limitFeatures
}

type requestKind uint8

const (
	propose requestKind = iota // the values of the tickets
	changeMembers
	handMaster
	readIndex
	limitFeatures
)

// unknown says what a caller that gave up does not know.
func (r request) unknown() string {
	switch r.kind {
	case changeMembers:
		return "the change may still take effect"
	case handMaster:
		return "the mastership may still be given away"
	case readIndex:
		return "nothing was read"
	case limitFeatures:
		return "the limit may still take effect"
	}
	return "if the value was proposed already, its outcome is unknown and it may still be chosen"
}

// hand gives the tickets to the group.
func (p *proposal) hand(m machine) {
	for i := range p.tickets {
		t := &p.tickets[i]
		switch p.request.kind {
		case propose:
			m.Propose(t)
		case changeMembers:
			m.ChangeMembers(t, p.request.add, p.request.remove)
		case handMaster:
			m.HandMaster(t, p.request.target)
		case readIndex:
			m.Read(t)
		case limitFeatures:
			m.RestrictFeatures(t, p.request.limit)
		}
	}
}

// ask brings a request other than a proposal of values through a group, and
// returns the instance that its ticket names. It does not wait at the gate,
// which is for values.
func (n *Node) ask(ctx context.Context, l *loop, r request) (uint64, error) {
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%w: nothing was done: %w", ErrTimeout, contextError(ctx))
	}
	if err := l.failure(); err != nil {
		return 0, err
	}
	p := n.proposal()
	p.request, p.left = r, 1
	p.tickets = append(p.tickets[:0], group.Ticket{Owner: p})
	p.state.Store(waiting)
	if err := l.inbox.propose(p); err != nil {
		return 0, err
	}
	if err := p.wait(ctx, n.proposeTimeout(), l); err != nil {
		return 0, err
	}
	instance, err := p.tickets[0].Instance, p.tickets[0].Err
	n.recycle(p)
	return instance, err
}
