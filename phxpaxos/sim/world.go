package sim

import (
	"math/rand/v2"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// phase is a part of a run.
type phase uint8

const (
	chaos   phase = iota // faults come, clients act
	calm                 // no faults, clients act
	proving              // no clients; every node has to get a value chosen and all have to agree
	over                 // everything was proved
)

// settleBound is how long, after the last fault, the last client and the last
// time that anybody got on, nodes may take until every one of them has got new
// values chosen and all are level.
// It covers the longest patience of a proposer (8 s), a few lost rounds and a
// few periods of asking for missed values (3 s).
const settleBound = 60 * time.Second

// World is one run: a cluster, its surroundings and the events to come. One
// goroutine owns it.
type World struct {
	plan    Plan
	hazards paxos.Hazards
	now     time.Duration
	events  queue
	phase   phase
	nodes   []*node
	net     network
	clients []*client
	checks  []*checks // by group
	report  reporter
	digest  digest
	stats   Stats
	reader  packetReader
	trace   *tracer // nil: none
	script  *player // nil unless a scenario drives the world

	randNet, randDisk, randClient, randSched, randFault *rand.Rand

	nextID uint64 // of operations
	kept   Storage
	proof  proof
}

// newWorld builds the cluster of a plan, with nothing started.
func newWorld(p Plan, o Options) *World {
	w := &World{
		plan: p, hazards: o.Hazards, trace: newTracer(o.Trace, p.total()), digest: digestStart, kept: o.Storage.of(p.Seed),
		randNet: stream(p.Seed, streamNet), randDisk: stream(p.Seed, streamDisk),
		randClient: stream(p.Seed, streamClient), randSched: stream(p.Seed, streamSched),
		randFault: stream(p.Seed, streamFault),
	}
	w.report.now = func() time.Duration { return w.now }
	for g := range p.Groups {
		w.checks = append(w.checks, newChecks(&w.report, g, w.ids(), w.founders()))
	}
	for n, id := range w.ids() {
		w.nodes = append(w.nodes, newNode(w, n, id))
	}
	w.net.init(w)
	w.proof.init(w)
	return w
}

// nodeID is the address of a node: 10.0.0.1:7000 and up. Later nodes have the
// higher ids, so ties between ballots go to the later letter.
func nodeID(index int) nodeid.ID {
	return nodeid.ID(uint64(10|(index+1)<<24)<<32 | 7000)
}

// nodeIndex is the other way round; it is below zero for no node.
func nodeIndex(id nodeid.ID) int { return int(id>>56) - 1 }

// ids are the addresses of all nodes.
func (w *World) ids() (ids []nodeid.ID) {
	for n := range w.plan.total() {
		ids = append(ids, nodeID(n))
	}
	return ids
}

// founders are the nodes that vote at first.
func (w *World) founders() nodeSet { return 1<<w.plan.Nodes - 1 }

func nodeName(index int) string { return string(rune('A' + index)) }

// start puts the first events into the heap.
func (w *World) start() {
	for _, n := range w.nodes {
		w.events.push(event{kind: evBoot, node: int16(n.index), life: n.life})
	}
	w.startClients()
	for i, f := range w.plan.Faults {
		if !w.plan.Skip[i] {
			w.events.push(event{at: f.At, kind: evFault, n: uint64(i)})
		}
	}
	w.events.push(event{at: w.plan.Chaos, kind: evPhase, n: uint64(calm)})
}

// run handles events until everything is proved or something is violated.
func (w *World) run() {
	for w.report.first == nil && w.phase != over {
		if !w.step() {
			w.report.fail("liveness", "nothing is going to happen any more")
		}
	}
}

// step handles the next event; it reports false when there is none.
func (w *World) step() bool {
	e, ok := w.events.pop()
	if !ok {
		return false
	}
	if e.at > w.now {
		w.now = e.at
	}
	w.stats.Events++
	w.digest.add(uint64(w.now))
	w.digest.add(uint64(e.kind)<<48 | uint64(uint16(e.node))<<32 | uint64(uint16(e.group))<<16 | uint64(uint16(e.from)))
	w.handle(&e)
	return true
}

func (w *World) handle(e *event) {
	switch e.kind {
	case evClient:
		w.clients[e.n].act()
		return
	case evFault:
		w.beginFault(int(e.n))
		return
	case evFaultEnd:
		w.endFault(int(e.n))
		return
	case evPhase:
		w.enter(phase(e.n))
		return
	case evProbe:
		w.proof.probe(int(e.node), int(e.group))
		return
	}
	n := w.nodes[e.node]
	if e.kind == evBoot {
		if n.life == e.life {
			n.boot()
		}
		return
	}
	if e.kind != evPacket && n.life != e.life || n.state != up {
		if e.kind == evPacket {
			w.stats.ToDead++
		}
		return
	}
	if n.pausedTill > w.now {
		e.at = n.pausedTill
		w.events.push(*e)
		return
	}
	m := n.members[e.group]
	switch e.kind {
	case evPacket:
		m.receive(int(e.from), e.packet)
	case evTimer:
		m.timer(time.Duration(e.n))
	case evFlush:
		m.flush()
	case evDiskDone:
		n.disk.done()
	case evCancel:
		m.cancel(e.op)
	case evJob:
		m.clerk.step(e.n)
	}
}

// enter begins a phase.
func (w *World) enter(p phase) {
	w.phase = p
	w.tracef("phase", "%v", [...]string{"chaos", "calm", "proving", "over"}[p])
	switch p {
	case calm:
		w.healAll()
		w.events.push(event{at: w.now + w.plan.Calm, kind: evPhase, n: uint64(proving)})
	case proving:
		w.proof.begin()
	}
}
