package hooks_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/hooks"
)

// probe counts which hooks were called, and checks that each was called with
// its own kind of event.
type probe struct {
	mu      sync.Mutex
	seen    map[string]int
	wrong   []string
	changed chan struct{} // closed at the next call, and replaced
}

func newProbe() *probe { return &probe{seen: map[string]int{}, changed: make(chan struct{})} }

func (p *probe) fired(hook string, e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind.String() != hook {
		p.wrong = append(p.wrong, hook+" was called with "+e.Kind.String())
	}
	p.seen[hook]++
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *probe) count(kind event.Kind) (n int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[kind.String()], p.changed
}

// observer is the hooks of one node, all of them typed, in front of next.
func (p *probe) observer(next event.Observer) event.Observer {
	r := recorder{p.fired}
	return hooks.Observer(hooks.Set{
		Proposer: r, Acceptor: r, Learner: r, Instance: r, Committer: r, Loop: r,
		Network: r, Storage: r, Packet: r, Checkpoint: r, Master: r, Addition: r,
	}, next)
}

// The nodes of a lab: a is real, the others are puppets that say what the
// test wants, and stranger is no member.
var (
	a        = node(1)
	b        = node(2)
	c        = node(3)
	stranger = node(200)
)

func node(n byte) nodeid.ID {
	id, err := nodeid.Parse(fmt.Sprintf("10.0.0.%d:11111", n))
	if err != nil {
		panic(err)
	}
	return id
}

// lab is one real node among puppets, with a real log on a disk in memory
// that can be made to fail.
type lab struct {
	isAsked bool // see asked
	t       *testing.T
	all     *probe // of all labs
	own     *probe // of this one
	fs      *memfs.FS
	node    *phxpaxos.Node
	net     *puppets
}

// puppets is the network of the real node.
type puppets struct {
	sent    chan *paxos.Message
	mu      sync.Mutex
	receive network.Receive
}

func (p *puppets) Start(receive network.Receive) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receive = receive
	return nil
}

func (p *puppets) Send(to nodeid.ID, packet []byte, _ network.Class) {
	opened, err := wire.Open(packet)
	if err != nil || opened.Command != wire.CommandPaxos {
		return
	}
	m := &paxos.Message{}
	if opened.Message(m) != nil {
		return
	}
	m.To = to
	select {
	case p.sent <- m:
	default: // nobody looks
	}
}

func (p *puppets) Close() error { return nil }

// newLab starts a node with the members a, b and c, unless change says
// otherwise.
func newLab(t *testing.T, all *probe, change func(o *phxpaxos.Options)) *lab {
	t.Helper()
	l := &lab{t: t, all: all, own: newProbe(), fs: memfs.New(), net: &puppets{sent: make(chan *paxos.Message, 1<<16)}}
	l.start(change)
	return l
}

func (l *lab) start(change func(o *phxpaxos.Options)) {
	l.t.Helper()
	observer := l.all.observer(l.own.observer(nil))
	store, err := vfile.Open("log", 1, vfile.Options{FS: l.fs, Deterministic: true, Observer: observer})
	if err != nil {
		l.t.Fatal(err)
	}
	o := phxpaxos.Options{
		MyNode: a, Nodes: []nodeid.ID{a, b, c}, LogStorage: store, Network: l.net,
		StateMachines: []sm.StateMachine{&machine{}}, Observer: observer, FirstStart: true,
	}
	if change != nil {
		change(&o)
	}
	if l.node, err = phxpaxos.Run(o); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		l.node.Close()
		store.Close()
	})
}

// alone makes the node the only member.
func alone(o *phxpaxos.Options) { o.Nodes = []nodeid.ID{a} }

// machine executes what before lets it.
type machine struct {
	before func() error
}

func (*machine) ID() sm.ID { return 1 }

func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	if m.before != nil {
		if err := m.before(); err != nil {
			return nil, err
		}
	}
	return slices.Clone(e.Value), nil
}

// say lets a puppet send a message.
func (l *lab) say(m paxos.Message) {
	l.raw(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &m))
}

func (l *lab) raw(packet []byte) {
	l.net.mu.Lock()
	receive := l.net.receive
	l.net.mu.Unlock()
	receive(packet)
}

// hears waits until the real node has sent a message of a kind to a puppet.
func (l *lab) hears(to nodeid.ID, kind paxos.Kind) *paxos.Message {
	l.t.Helper()
	deadline := time.After(await.Limit(l.t))
	for {
		select {
		case m := <-l.net.sent:
			if m.To == to && m.Kind == kind {
				return m
			}
		case <-deadline:
			l.t.Fatalf("%v hears no %v", to, kind)
		}
	}
}

// fires waits until hooks of this lab's node were called.
func (l *lab) fires(kinds ...event.Kind) {
	l.t.Helper()
	awaitFired(l.t, l.own, kinds...)
}

func awaitFired(t *testing.T, p *probe, kinds ...event.Kind) {
	t.Helper()
	deadline := time.After(await.Limit(t))
	for _, k := range kinds {
		for {
			n, changed := p.count(k)
			if n > 0 {
				break
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("%v was not fired", k)
			}
		}
	}
}

// propose proposes a value and waits for the end.
func (l *lab) propose(value string) error {
	ctx, cancel := context.WithTimeout(l.t.Context(), await.Limit(l.t))
	defer cancel()
	_, err := l.node.Propose(ctx, 0, 1, []byte(value))
	return err
}

// proposing proposes a value in the background. It ends with the test.
func (l *lab) proposing(value string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.propose(value) }()
	return done
}

// asked waits until the node has asked puppet b what was chosen. Before, it
// takes no answer.
func (l *lab) asked() {
	l.t.Helper()
	if !l.isAsked {
		l.hears(b, paxos.AskForLearn)
		l.isAsked = true
	}
}

// decide lets a puppet say that a value was chosen.
func (l *lab) decide(instance uint64, id sm.ID, body []byte) {
	l.t.Helper()
	l.asked()
	l.say(paxos.Message{Kind: paxos.LearnValue, From: b, Instance: instance, NeedAck: true,
		Ballot: paxos.Ballot{Number: 1000, Node: b}, Value: wire.AppendValue(nil, id, body)})
}

// never is no instance.
const never = uint64(math.MaxUint64)
