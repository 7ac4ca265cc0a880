package phxpaxos

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// NodeStatus is what a node says of itself, for those who watch it.
type NodeStatus struct {
	Node      nodeid.ID
	Uptime    time.Duration // since Run was called
	Groups    int
	DiskQueue int           // records that wait for the disk, those of the running write not counted
	DiskTook  time.Duration // what the last write took with its sync, 0 before the first
	DiskBusy  time.Duration // for how long the running write has been running, 0 if none is

	// Which log the node writes; see docs/identity.md.
	Directory   uint64         // drawn at random when the log was first recorded
	Incarnation uint64         // grows with each start from this log, 1 at the first
	Cluster     nodeid.Cluster // all zeros while the log does not know its cluster

	Peers []PeerStatus // by node; every member of a group that works, and who else spoke lately
}

// PeerStatus is what a node knows of another one.
type PeerStatus struct {
	Node  nodeid.ID
	Heard bool          // false: it has not spoken since this node started
	Ago   time.Duration // when it spoke last, as any group has seen it
}

// GroupStatus is how one group of a node is doing.
type GroupStatus struct {
	Group     int
	Instance  uint64 // the current, undecided one; all below are executed here
	Highest   uint64 // the highest current instance that any node claimed; what is above Instance is lag
	MinChosen uint64 // the lowest instance that the log keeps

	Master        nodeid.ID     // as Node.Master
	MasterVersion uint64        // NoVersion if there was no election
	LeaseLeft     time.Duration // of Master, as this node counts it; 0 if there is none
	IsMaster      bool          // this node is master

	Members        []nodeid.ID // as Node.Members; not to be modified
	MembersVersion uint64      // NoVersion while they are those of Options.Nodes

	Proposals int   // calls of Propose and BatchPropose that the group works on
	Waiting   int   // callers that wait before the group is free for them
	Packets   int   // packets that wait for the group's goroutine
	Err       error // why the group has stopped, as Node.GroupError
}

// Status says how the node is doing. It does not wait for the disk or for a
// group, also when they hang, and is safe for concurrent use.
func (n *Node) Status() NodeStatus {
	now := n.now()
	id := n.owner.get()
	s := NodeStatus{
		Node: n.me, Uptime: now, Groups: len(n.loops),
		Directory: id.Directory, Incarnation: id.Incarnation, Cluster: id.Cluster,
	}
	s.DiskQueue, s.DiskTook, s.DiskBusy = n.disk.status(now)
	seen := map[nodeid.ID]bool{n.me: true}
	add := func(id nodeid.ID) {
		if seen[id] {
			return
		}
		seen[id] = true
		at, ok := n.heard.at(id)
		p := PeerStatus{Node: id, Heard: ok}
		if ok {
			p.Ago = max(now-at, 0)
		}
		s.Peers = append(s.Peers, p)
	}
	var last *membership
	for _, l := range n.loops {
		m := l.members.Load()
		if m == nil || last != nil && slices.Equal(m.members, last.members) {
			continue // mostly all groups have the same members
		}
		last = m
		for _, id := range m.members {
			add(id)
		}
	}
	for _, id := range n.heard.nodes(now) {
		add(id)
	}
	slices.SortFunc(s.Peers, func(a, b PeerStatus) int { return cmp.Compare(a.Node, b.Node) })
	return s
}

// GroupStatus says how a group is doing. It does not wait for the group, also
// when a state machine hangs, and is safe for concurrent use. The error
// matches ErrGroup; a group that has stopped is none, see GroupStatus.Err.
func (n *Node) GroupStatus(groupIndex int) (GroupStatus, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return GroupStatus{}, err
	}
	now, m := n.now(), l.master.Load()
	s := GroupStatus{
		Group: groupIndex, Instance: l.instance.Load(), MinChosen: l.minChosen.Load(),
		Master: m.at(now), MasterVersion: m.version, MembersVersion: NoVersion, Err: l.failure(),
	}
	// The two are not read at one moment; a lag below 0 would be nonsense.
	s.Highest = max(l.highest.Load(), s.Instance)
	if s.Master != nodeid.None {
		s.LeaseLeft, s.IsMaster = m.until-now, s.Master == n.me
	}
	if members := l.members.Load(); members != nil {
		s.Members, s.MembersVersion = members.members, members.version
	}
	s.Proposals, s.Waiting = l.gate.Load()
	s.Packets = l.inbox.packetCount()
	return s, nil
}

// heardMax is how many nodes are remembered: far more than a cluster has,
// since anybody who reaches the port can name any number of nodes. When they
// do, who was silent longest makes room.
const heardMax = 256

// heardLife is for how long a node that is no member is still listed.
const heardLife = time.Minute

// heard is when which node spoke last. To hear a node that is known costs a
// look-up and a store, without a lock.
type heard struct {
	known sync.Map // of nodeid.ID to *atomic.Int64
	mu    sync.Mutex
	count int // of known
}

// hear takes note of a node.
func (h *heard) hear(id nodeid.ID, now time.Duration) {
	if at, ok := h.known.Load(id); ok {
		at.(*atomic.Int64).Store(int64(now))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count >= heardMax {
		h.forget()
	}
	at := new(atomic.Int64)
	at.Store(int64(now))
	if _, loaded := h.known.LoadOrStore(id, at); !loaded {
		h.count++
	}
}

// forget drops the node that was silent longest. The caller holds mu.
func (h *heard) forget() {
	var oldest any
	first := int64(1<<63 - 1)
	h.known.Range(func(id, at any) bool {
		if t := at.(*atomic.Int64).Load(); t < first {
			oldest, first = id, t
		}
		return true
	})
	h.known.Delete(oldest)
	h.count--
}

// at is when a node spoke last; ok is false if it has not.
func (h *heard) at(id nodeid.ID) (at time.Duration, ok bool) {
	v, ok := h.known.Load(id)
	if !ok {
		return 0, false
	}
	return time.Duration(v.(*atomic.Int64).Load()), true
}

// nodes are those that spoke lately.
func (h *heard) nodes(now time.Duration) []nodeid.ID {
	var ids []nodeid.ID
	h.known.Range(func(id, at any) bool {
		if now-time.Duration(at.(*atomic.Int64).Load()) < heardLife {
			ids = append(ids, id.(nodeid.ID))
		}
		return true
	})
	return ids
}

// status is what waits for the disk, how long the last write took, and for
// how long the running one has been running.
func (d *disk) status(now time.Duration) (queued int, took, busy time.Duration) {
	if since := time.Duration(d.busySince.Load()); since != 0 {
		busy = max(now-since, 1)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue), time.Duration(d.took.Load()), busy
}

// packetCount is how many packets wait.
func (b *inbox) packetCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.in.packets)
}
