package phxpaxos

import (
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// notifier calls the callbacks of Options, in the order in which the groups
// told it. It has a goroutine of its own, so that a slow callback holds up
// nothing but further ones: groups go on, and what they tell waits in a queue
// without a bound, since nothing may be left out. Changes are rare.
type notifier struct {
	onMembers func(group int, members []nodeid.ID)
	onMaster  func(group int, node nodeid.ID, version uint64)
	observer  *observer
	done      chan struct{} // closed when the goroutine has ended
	wake      chan struct{} // holds a token while there is something to do

	mu      sync.Mutex
	queue   []notice
	closing bool
}

// notice is one call.
type notice struct {
	group   int
	members []nodeid.ID // nil: a master
	node    nodeid.ID
	version uint64
}

func newNotifier(opts *Options, observer *observer) *notifier {
	return &notifier{
		onMembers: opts.MembersChanged, onMaster: opts.MasterChanged, observer: observer,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// idle: there is nobody to call.
func (n *notifier) idle() bool { return n.onMembers == nil && n.onMaster == nil }

// start begins to call, what has gathered first.
func (n *notifier) start() {
	if !n.idle() {
		go n.run()
	}
}

// members tells of the members of a group; it takes the list over.
func (n *notifier) members(group int, members []nodeid.ID) {
	if n.onMembers != nil {
		if members == nil {
			members = []nodeid.ID{}
		}
		n.put(notice{group: group, members: members})
	}
}

// master tells of the master of a group.
func (n *notifier) master(group int, node nodeid.ID, version uint64) {
	if n.onMaster != nil {
		n.put(notice{group: group, node: node, version: version})
	}
}

func (n *notifier) put(call notice) {
	n.mu.Lock()
	n.queue = append(n.queue, call)
	n.mu.Unlock()
	n.ring()
}

func (n *notifier) ring() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// close makes the calls that are due and ends the goroutine.
func (n *notifier) close() {
	if n.idle() {
		return
	}
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.ring()
	<-n.done
}

// run is the goroutine.
func (n *notifier) run() {
	defer close(n.done)
	for range n.wake {
		n.mu.Lock()
		queue, closing := n.queue, n.closing
		n.queue = nil
		n.mu.Unlock()
		for _, call := range queue {
			n.call(call)
		}
		if closing {
			return
		}
	}
}

// call makes one call. A panic of it is logged and concerns nobody else.
func (n *notifier) call(c notice) {
	defer func() {
		if r := recover(); r != nil {
			_ = n.observer.panicked("callback", r)
		}
	}()
	if c.members != nil {
		// Its own copy: Members hands out the same list.
		n.onMembers(c.group, append([]nodeid.ID(nil), c.members...))
		return
	}
	n.onMaster(c.group, c.node, c.version)
}
