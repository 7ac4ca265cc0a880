package phxpaxos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// Node is one member, or follower, of a cluster. All methods are safe for
// concurrent use, and none may be called from within Execute of a state
// machine unless it says that it does not block.
//
// Goroutines of a node: one for each group (loop), one for the disk (disk),
// one for the callbacks of Options (notifier) if there are any, and those of
// the network. While a group cleans its log or sends or receives checkpoints
// it has a few more (clerk). Nothing else; Close ends them all.
type Node struct {
	me         nodeid.ID
	packedMax  int
	attempts   int
	timeout    atomic.Int64 // nanoseconds
	start      time.Time
	observer   *observer
	store      storage.LogStorage
	owner      *owner
	closeStore func() error
	original   bool // the log has the original's layout
	disk       *disk
	notifier   *notifier
	heard      heard
	network    network.Network
	loops      []*loop
	proposals  sync.Pool

	closeOnce sync.Once
	closeErr  error
}

// openFunc opens the group of a loop; tests bring their own.
type openFunc func(*loop) (machine, error)

// Run starts a node. It opens the log, executes what the state machines have
// not seen (which may take long: several groups at a time, all before Run
// returns), and joins the network.
//
// A group whose log is damaged does not keep the node from starting: calls to
// that group return an error that matches ErrGroupFailed and the storage's
// own. (A storage may refuse to open when all of them are.) Every other failure closes everything again and is returned; it
// matches ErrOptions, ErrStorage (a log of another node ErrForeignDirectory as
// well) or ErrNetwork, or is the group's.
func Run(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	if err := opts.fixPaths(); err != nil {
		return nil, err
	}
	return run(&opts, func(l *loop) (machine, error) {
		g, err := group.Open(groupConfig(&opts, l), env{l}, l.now())
		if err != nil { // a nil *Group must not become a machine
			return nil, err
		}
		return g, nil
	})
}

// run is Run with valid options and a way to open groups.
func run(opts *Options, open openFunc) (*Node, error) {
	n := &Node{
		me: opts.MyNode, packedMax: opts.packedMax(), attempts: opts.ProposeAttempts,
		start: time.Now(), observer: newObserver(opts.Observer, opts.Logger),
	}
	n.notifier = newNotifier(opts, n.observer)
	n.timeout.Store(int64(opts.ProposeTimeout))
	if err := n.openStorage(opts); err != nil {
		return nil, err
	}
	if err := n.openNetwork(opts); err != nil {
		return nil, errors.Join(err, n.closeStore())
	}
	n.disk = newDisk(n.store, n.observer, n.now)
	go n.disk.run()
	if err := n.openGroups(opts, open); err != nil {
		n.disk.close()
		<-n.disk.done
		if opts.Network == nil {
			err = errors.Join(err, n.network.Close())
		}
		return nil, errors.Join(err, n.closeStore())
	}
	n.notifier.start()
	return n, nil
}

func (n *Node) openNetwork(opts *Options) error {
	if opts.Network != nil {
		n.network = opts.Network
		if reports, ok := opts.Network.(network.Observed); ok {
			reports.ReportTo(n.observer)
		}
		if identifies, ok := opts.Network.(network.Identifier); ok {
			identifies.IdentifyBy(wire.Sender)
		}
		return nil
	}
	tcp, err := network.NewTCP(network.Config{
		Me: opts.MyNode, LargeValues: opts.LargeValueMode, UDPMaxSize: opts.UDPMaxSize,
		Secret: opts.ClusterSecret, SourceCheck: opts.SourceCheck,
		Observer: n.observer, Logger: opts.Logger,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	tcp.IdentifyBy(wire.Sender)
	n.network = tcp
	return nil
}

// openGroups opens all groups, starts the network and lets the groups run. On
// an error all goroutines of the groups have ended.
func (n *Node) openGroups(opts *Options, open openFunc) error {
	if err := n.makeLoops(opts, open); err != nil {
		return err
	}
	turns := make(chan struct{}, opensMax)
	begin, abandon := make(chan struct{}), make(chan struct{})
	results := make(chan error, len(n.loops))
	for _, l := range n.loops {
		go l.goroutine(turns, func(err error) { results <- err }, begin, abandon)
	}
	var err error
	for range n.loops {
		e := <-results
		if e != nil && err == nil { // one failure is enough: the others need not open
			err = e
			close(abandon)
		}
	}
	if err == nil {
		if err = n.startNetwork(); err == nil {
			close(begin)
			return nil
		}
		close(abandon)
	}
	for _, l := range n.loops {
		<-l.done
	}
	return err
}

// startNetwork starts the network. Packets that arrive from now on wait in
// the mailboxes.
func (n *Node) startNetwork() error {
	if err := n.network.Start(n.receive); err != nil {
		return fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	return nil
}

func (n *Node) makeLoops(opts *Options, open openFunc) error {
	packetsMax, bytesMax := opts.inboxLimits()
	n.loops = make([]*loop, opts.GroupCount)
	pace := &pace{perSecond: int64(opts.CheckpointBytesPerSecond)}
	for i := range n.loops {
		gate, err := waitlock.New(waitlock.Options{
			Slots:      2 * opts.Batch.CountMax, // one batch under way, one being gathered
			WaitersMax: opts.MaxHoldThreads, WaitThreshold: opts.ProposeWaitTimeThreshold,
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrOptions, err)
		}
		l := &loop{
			index: i, original: n.original, me: n.me, fenced: opts.Fence && opts.elects(i), notifier: n.notifier,
			disk: n.disk, store: n.store, network: n.network, observer: n.observer, heard: &n.heard,
			now: n.now, open: open, gate: gate, setCluster: n.setCluster,
		}
		l.init(packetsMax, bytesMax)
		l.clerk = newClerk(l, pace)
		for _, m := range opts.machines(i) {
			l.wakeOnRewind(m)
		}
		n.loops[i] = l
	}
	n.loops[0].siblings = siblings{n.loops}
	return n.loadFeatures()
}

// groupConfig is what the group with an index is.
func groupConfig(opts *Options, l *loop) group.Config {
	index := l.index
	return group.Config{
		Index: index, Groups: opts.GroupCount,
		Me: opts.MyNode, Members: paxos.NewMembership(opts.Nodes), Following: opts.following(),
		LargeMode: opts.LargeValueMode, UseMembers: opts.UseMembership, FullHistory: opts.FullHistory,
		UseMaster: opts.elects(index), MasterLease: opts.MasterLease, Fence: opts.Fence && opts.elects(index),
		Siblings: l.siblings, Features: *l.features.Load(),
		StateMachines: opts.machines(index), ChangeBeforePropose: opts.ChangeValueBeforePropose,
		Rand:      rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		PacketCRC: !opts.NoPacketCRC,
		NoSync:    opts.NoSync, SyncInterval: opts.SyncInterval,
		EarlyBytesMin: earlyBytesMin,
		BatchCountMax: opts.Batch.CountMax, BatchBytesMax: opts.Batch.BytesMax, BatchDelay: opts.Batch.Delay,
		ValueBytesMax: opts.packedMax(),
		CheckHistory:  !opts.FirstStart,
		UseReplayer:   opts.UseCheckpointReplayer, Hold: uint64(opts.HoldInstances), NoCleaning: opts.NoCleaning,
		NoLedger: l.store.Dir(index) == "", KeepForOriginal: l.original,
	}
}

// now is the clock of the node: monotonic, from 0 at its start.
func (n *Node) now() time.Duration { return time.Since(n.start) }

// receive takes a packet from the network.
func (n *Node) receive(packet []byte) {
	index, ok := wire.PeekGroup(packet)
	if !ok {
		n.observer.Observe(event.Event{Kind: event.PacketShort, Group: -1, Size: len(packet)})
		return
	}
	if index < 0 || index >= len(n.loops) {
		n.observer.Observe(event.Event{Kind: event.PacketBadGroup, Group: -1, Number: uint64(uint32(index)), Size: len(packet)})
		return
	}
	l := n.loops[index]
	if l.failure() != nil {
		return
	}
	kind := event.Enqueue
	if n.disk.full() || !l.put(packet) {
		kind = event.EnqueueReject
	}
	n.observer.Observe(event.Event{Kind: kind, Group: index, Size: len(packet)})
}

// put gives the group a packet and reports whether there was room. A reply of a
// round that a majority has decided already changes nothing for now: there is
// one for each instance and node beyond the majority.
func (l *loop) put(packet []byte) bool {
	if instance, ok := wire.PeekAcceptReply(packet); ok && instance < l.instance.Load() {
		return l.inbox.latePacket(packet)
	}
	return l.inbox.packet(packet)
}

// loop returns the group with an index.
func (n *Node) loop(index int) (*loop, error) {
	if index < 0 || index >= len(n.loops) {
		return nil, fmt.Errorf("%w: %d, must be in 0..%d", ErrGroup, index, len(n.loops)-1)
	}
	return n.loops[index], nil
}

// MyNodeID returns Options.MyNode. It does not block.
func (n *Node) MyNodeID() nodeid.ID { return n.me }

// Groups returns how many groups the node has. It does not block.
func (n *Node) Groups() int { return len(n.loops) }

// GroupError returns why a group has stopped: an error that matches
// ErrGroupFailed, or ErrClosed once the node is closed, or ErrGroup if there
// is no such group. It is nil while the group works. It does not block.
func (n *Node) GroupError(groupIndex int) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	return l.failure()
}

// AddStateMachine registers a state machine in some groups, or in all if none
// is named. It is given what is executed from now on, and nothing older. It
// blocks until each group has it. The error matches ErrOptions where a group
// has one with the same id and keeps that, and where the group has had entries
// for the id that the durable state of m lacks: then it has to be registered
// from the start. It returns all errors joined.
func (n *Node) AddStateMachine(m sm.StateMachine, groups ...int) error {
	if _, err := machineIDs("AddStateMachine", []sm.StateMachine{m}, nil); err != nil {
		return err
	}
	if len(groups) == 0 {
		groups = make([]int, len(n.loops))
		for i := range groups {
			groups[i] = i
		}
	}
	var errs []error
	for _, g := range groups {
		if err := n.addStateMachine(m, g); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (n *Node) addStateMachine(m sm.StateMachine, groupIndex int) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	var refused error
	err = l.do(func(g machine) {
		if refused = g.AddStateMachine(m); refused == nil {
			l.wakeOnRewind(m)
		}
	})
	switch {
	case err != nil:
		return err
	case errors.Is(refused, group.ErrMachineExists):
		return badOption(fmt.Sprintf("group %d: state machine id", groupIndex), m.ID(), "which another one has")
	case refused != nil:
		return badOption(fmt.Sprintf("group %d: state machine id", groupIndex), m.ID(),
			fmt.Sprintf("register it in Options.StateMachines, so that it is given them at the start: %v", refused))
	}
	return nil
}

// Close stops the node. Where it is master it gives that up and waits until
// another node has taken over, at most 300 ms for all groups together. Then it
// stops the network, the groups, each of which ends its proposals with
// ErrClosed, and the disk, when everything that was to be saved is saved. It
// closes the network, also one from Options, and the log storage unless it
// came from Options. It waits for state machines and callbacks that run.
// Callbacks that are due are called before it returns, and none after. A
// second Close waits for the first and returns the same.
func (n *Node) Close() error {
	n.closeOnce.Do(func() {
		n.leave()
		errs := []error{n.network.Close()}
		for _, l := range n.loops {
			l.inbox.close()
		}
		for _, l := range n.loops {
			<-l.done
			l.end(fmt.Errorf("group %d: %w", l.index, ErrClosed))
		}
		for _, l := range n.loops {
			l.clerk.close()
		}
		n.disk.close()
		<-n.disk.done
		n.notifier.close()
		n.closeErr = errors.Join(append(errs, n.closeStore())...)
	})
	return n.closeErr
}
