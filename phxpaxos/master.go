package phxpaxos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// mastership is who is master until when, as published by a group. It is
// never modified, so that all of it belongs together.
type mastership struct {
	node    nodeid.ID // None if nobody is
	version uint64    // the instance of the last election, NoVersion if there was none
	until   time.Duration
}

// at is the master at a time.
func (m *mastership) at(now time.Duration) nodeid.ID {
	if now < m.until {
		return m.node
	}
	return nodeid.None
}

// Master returns the master of a group as far as this node knows, nodeid.None
// if it knows of none. Nodes may know different masters for a moment: to act
// as the only one, a node has to ask IsMaster. It does not block.
func (n *Node) Master(groupIndex int) (nodeid.ID, error) {
	node, _, err := n.MasterWithVersion(groupIndex)
	return node, err
}

// MasterWithVersion is Master with the version of the last election that this
// node knows of, NoVersion if there was none. Versions grow; a master gets a
// new one with every renewal.
func (n *Node) MasterWithVersion(groupIndex int) (node nodeid.ID, version uint64, err error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return nodeid.None, NoVersion, err
	}
	m := l.master.Load()
	return m.at(n.now()), m.version, l.failure()
}

// IsMaster reports whether this node is the master of a group, now. No two
// nodes are at the same time, whatever the network does and whichever
// processes are paused or killed, as long as the clocks of the nodes keep to
// one assumption: while a lease runs, no clock is faster than another by more
// than 14 % (8/7), for example each within 6.6 % of true time. The lease of the
// master began when it started to bid and is an eighth shorter than what it
// announced, and the other nodes wait for the announced time from when they
// learned of it. An original node that is master counts only 100 ms less than
// it announced, so with one the bound is 100 ms in a lease, 1 % at 10 s.
// docs/leases.md has the argument, and how it compares with what clocks do.
//
// Time may pass between the answer and what is done because of it. Let the
// group decide where that matters: see Options.Fence.
//
// The clock is the system's monotonic one, read at each call. Setting the
// time does not move it, but on some systems it stands still while the whole
// machine is suspended: do not suspend a machine that may be master.
//
// It neither blocks nor takes a lock. It is false if there is no such group.
func (n *Node) IsMaster(groupIndex int) bool {
	l, err := n.loop(groupIndex)
	return err == nil && l.isMaster()
}

func (l *loop) isMaster() bool {
	m := l.master.Load()
	return m.node == l.me && l.now() < m.until
}

// WaitMaster blocks until this node knows of a master of the group and
// returns it. The error matches ErrTimeout when ctx ends first, or ErrGroup,
// ErrGroupFailed or ErrClosed. It is safe for concurrent use.
func (n *Node) WaitMaster(ctx context.Context, groupIndex int) (nodeid.ID, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return nodeid.None, err
	}
	return l.waitMaster(ctx, nodeid.None)
}

// waitMaster waits for a master that is not the given one.
func (l *loop) waitMaster(ctx context.Context, not nodeid.ID) (nodeid.ID, error) {
	l.elections.waiters.Add(1)
	defer l.elections.waiters.Add(-1)
	for {
		changed := l.elections.next()
		if node := l.master.Load().at(l.now()); node != nodeid.None && node != not {
			return node, nil
		}
		select {
		case <-changed:
		case <-l.ended:
			return nodeid.None, l.failure()
		case <-ctx.Done():
			return nodeid.None, fmt.Errorf("%w: there is no master: %w", ErrTimeout, contextError(ctx))
		}
	}
}

// DropMaster gives the mastership of this node up, to whichever other node is
// first. This node is no master from the moment of the call and takes part in
// no election before another node has won one, or a lease has passed. It
// blocks until that was chosen, so that the others need not wait for the end
// of the lease.
//
// The error matches ErrNotMaster if this node is not the master, and
// ErrMasterChanged if there was another election meanwhile, which is as good.
// When ctx ends, or Options.ProposeTimeout has passed, it matches ErrTimeout:
// this node is no master, and the others may have to wait. Others: ErrGroup,
// ErrGroupFailed, ErrClosed. It is safe for concurrent use.
func (n *Node) DropMaster(ctx context.Context, groupIndex int) error {
	return n.handMaster(ctx, groupIndex, nodeid.None)
}

// TransferMaster makes another member the master, if this node is. It blocks
// until that was chosen; the new master begins when it learns of it, which
// WaitMaster on that node waits for. If it is down there is no master until
// the lease has passed. To transfer to this node itself changes nothing.
//
// It fails as DropMaster does, and with ErrMemberUnknown if node is no member,
// or ErrOptions if it is none.
func (n *Node) TransferMaster(ctx context.Context, groupIndex int, node nodeid.ID) error {
	if node == nodeid.None {
		return badOption("node to transfer to", "not set", "it must name a node")
	}
	if node == n.me && n.IsMaster(groupIndex) {
		return nil
	}
	return n.handMaster(ctx, groupIndex, node)
}

func (n *Node) handMaster(ctx context.Context, groupIndex int, target nodeid.ID) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	_, err = n.ask(ctx, l, request{kind: handMaster, target: target})
	return err
}

// leave gives up every mastership of this node and waits until others have
// taken them over, so that a planned restart leaves no group without one for
// long. The network has to work until then: a node that has just executed
// the election may have to tell the others.
func (n *Node) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), handOverMax)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range n.loops {
		if m := l.members.Load(); l.isMaster() && m != nil && len(m.members) > 1 {
			wg.Go(func() {
				// What fails is no worse than a crash: the lease ends by itself.
				if n.handMaster(ctx, l.index, nodeid.None) == nil {
					_, _ = l.waitMaster(ctx, n.me)
				}
			})
		}
	}
	wg.Wait()
}

// publishMaster tells other goroutines who is master.
func (l *loop) publishMaster() {
	node, version, until := l.machine.Master()
	if m := l.master.Load(); m.node == node && m.version == version && m.until == until {
		return
	}
	l.master.Store(&mastership{node, version, until})
	l.elections.tell()
}

// elected lets the user be told of an election, if it is another node's. The
// group calls it, by its event, in the order of the elections.
func (l *loop) elected(node nodeid.ID, version uint64) {
	if l.machine == nil || node == l.lastMaster {
		return // while the log is replayed, start takes note of how that ended
	}
	l.lastMaster = node
	l.notifier.master(l.index, node, version)
}
