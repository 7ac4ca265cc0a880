package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind uint8

const (
	Partition    FaultKind = iota // the nodes of set X and the others do not hear each other
	OneWay                        // the nodes of X are heard by nobody, but hear everything
	CutLink                       // Node does not reach Peer
	SlowLink                      // what Node sends takes up to X nanoseconds longer
	LossyLink                     // what Node sends is lost with probability X per mille
	Kill                          // Node's process ends; what it wrote stays in the page cache
	PowerLoss                     // Node loses what was not synced, in whole, in part or not at all
	PowerLossAll                  // all nodes do, at the same moment
	Pause                         // Node's process stands still
	Drift                         // Node's clock changes its rate to X ppm
	SlowDisk                      // every write of Node takes up to X nanoseconds longer
	SyncError                     // the next sync of Node fails
	DiskFull                      // the next write of Node fails
	BitFlip                       // a bit of a record of Node turns

	AddNode       // Node asks for another node to be taken in; X chooses
	RemoveNode    // Node asks for a member to go; X chooses
	ReplaceNode   // Node asks for one to go and another to come in its place
	TwoChanges    // Node and Peer ask for different changes, both at once
	HandOver      // the master gives the mastership up, or to the node that X chooses
	Wipe          // Node loses everything that it has on its disk, if the others can do without
	StrangerJoins // a node of another cluster takes members of this one into its own
	FaultKinds    // how many there are

	accidents = AddNode // the kinds below it happen to machines, the others are asked for
)

var faultNames = [FaultKinds]string{
	"partition", "one-way", "cut-link", "slow-link", "lossy-link", "kill", "power-loss",
	"power-loss-all", "pause", "drift", "slow-disk", "sync-error", "disk-full", "bit-flip",
	"add-node", "remove-node", "replace-node", "two-changes", "hand-over", "wipe", "stranger-joins",
}

func (k FaultKind) String() string {
	if k < FaultKinds {
		return faultNames[k]
	}
	return fmt.Sprintf("FaultKind(%d)", uint8(k))
}

// Fault is one thing that goes wrong during the chaos phase.
type Fault struct {
	Kind FaultKind
	At   time.Duration // when it begins
	For  time.Duration // how long it lasts, or how long a crashed node is down
	Node int
	Peer int
	X    int64 // what the kind says
}

func (f Fault) String() string {
	s := fmt.Sprintf("%v node %d for %v", f.Kind, f.Node, f.For)
	switch f.Kind {
	case Partition, OneWay:
		s = fmt.Sprintf("%v of set %b for %v", f.Kind, f.X, f.For)
	case CutLink:
		s = fmt.Sprintf("%v %d->%d for %v", f.Kind, f.Node, f.Peer, f.For)
	case SlowLink, SlowDisk:
		s += fmt.Sprintf(" by up to %v", time.Duration(f.X))
	case LossyLink:
		s += fmt.Sprintf(" with %d per mille", f.X)
	case Drift:
		s += fmt.Sprintf(" to %d ppm", f.X)
	case AddNode, RemoveNode, ReplaceNode, TwoChanges, HandOver:
		s = fmt.Sprintf("%v by node %d, choice %x", f.Kind, f.Node, f.X)
	}
	return s
}

// netPlan says how the network behaves while no fault is on.
type netPlan struct {
	delayMin, delayMean time.Duration
	tail                int  // per mille of packets that take 30 times as long
	loss, dup, corrupt  int  // per ten thousand
	fifoStreams         bool // stream packets of one link arrive in order and complete
}

// diskPlan says how long disks take.
type diskPlan struct {
	writeMin, writeMean time.Duration
	tail                int // per mille of writes that take 50 times as long
}

// loadPlan says what clients do.
type loadPlan struct {
	clients      int           // per group
	think        time.Duration // mean pause between two operations of a client
	keys         int
	burst        int // up to so many tickets at once
	patience     time.Duration
	patienceNone int // per cent of tickets without a deadline
	cancel       int // per cent of tickets that are cancelled by the client
	large        int // per mille of values that are larger than a datagram
	oneNode      bool
	executeFails int // per ten thousand executions that fail
	batchMax     int
	batchDelay   time.Duration
	executeMany  bool // state machines take several entries at once
	losses       int  // per ten thousand entries at which a state machine falls back to what it saved
	saves        int  // per ten thousand ends of instances at which it saves
	early        int  // bytes from which on a batch is sent before its turn, 0 for never
}

// bytesMax is more than any record of this load takes.
func (l *loadPlan) bytesMax() int {
	batch := min(max(1, l.batchMax), l.clients*l.burst)
	if l.large > 0 {
		return 1<<20 + batch*256
	}
	return 512 + batch*256
}

// Plan is a whole run, drawn from a seed before it begins.
type Plan struct {
	Seed   uint64
	Kind   Kind
	Nodes  int // that vote at first
	Groups int
	Chaos  time.Duration // faults come until then
	Calm   time.Duration // and clients go on for so long without
	Faults []Fault
	Skip   map[int]bool // faults that are left out; the others keep their numbers

	net    netPlan
	disk   diskPlan
	load   loadPlan
	world  worldPlan
	jitter time.Duration // how late a group's goroutine gets to run, at most
	drift  int64         // ppm
	crc    bool
	digest bool // nodes with one group send digests as well

	history bool // the full history is kept and compared
	rotten  int  // per thousand of values that leave their sender with a bit turned; only with history

	without []string // troubles taken out
	any     bool     // the seed decides on the kind
}

// Streams of chance: each user of randomness has its own, so that leaving one
// fault out disturbs the others as little as possible.
const (
	streamPlan = iota + 1
	streamNet
	streamDisk
	streamClient
	streamSched
	streamFault
	streamMedium // + node<<20
	streamGroup  // + node*groups + group + life<<20

	streamWorld       = 1 << 60
	streamMachine     = 1<<60 + 1
	streamLoss        = 1 << 61 // + node*groups + group + life<<20
	streamCheckpoints = 1<<60 + 2
	streamHistory     = 1<<60 + 3
)

func stream(seed uint64, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, n*0x9e3779b97f4a7c15+0x1234567))
}

// NewPlan draws a run of any kind from a seed. Which kinds of trouble a run has
// at all is drawn first: a run with only one kind reaches states that one with
// all of them never reaches. With 0 nodes or groups their number is drawn, too.
func NewPlan(seed uint64, nodes, groups int) Plan { return NewPlanOf(Any, seed, nodes, groups) }

// NewPlanOf is NewPlan for one kind of world.
func NewPlanOf(kind Kind, seed uint64, nodes, groups int) Plan {
	r := stream(seed, streamPlan)
	if n := pick(r, 3, 3, 3, 5, 2, 1, 4); nodes == 0 {
		nodes = n
	}
	if n := pick(r, 1, 1, 2, 4); groups == 0 {
		groups = n
	}
	p := Plan{
		Seed: seed, Nodes: nodes, Groups: groups,
		Chaos: between(r, 20*time.Second, 90*time.Second), Calm: 10 * time.Second,
		jitter: pick(r, 0, 10*time.Microsecond, 200*time.Microsecond, 5*time.Millisecond),
		drift:  pick(r, int64(0), 100, 2000, 50000),
		crc:    r.IntN(2) == 0,
	}
	p.net = netPlan{
		delayMin:  between(r, 20*time.Microsecond, 500*time.Microsecond),
		delayMean: pick(r, 100*time.Microsecond, time.Millisecond, 10*time.Millisecond, 60*time.Millisecond),
		tail:      pick(r, 0, 1, 20, 100), loss: pick(r, 0, 0, 20, 200, 1000, 2000), dup: pick(r, 0, 0, 50, 500),
		corrupt: pick(r, 0, 0, 10, 200), fifoStreams: r.IntN(3) > 0,
	}
	p.disk = diskPlan{
		writeMin:  between(r, 20*time.Microsecond, 200*time.Microsecond),
		writeMean: pick(r, 50*time.Microsecond, 500*time.Microsecond, 5*time.Millisecond, 20*time.Millisecond),
		tail:      pick(r, 0, 2, 20),
	}
	p.load = loadPlan{
		clients: 1 + r.IntN(6), think: pick(r, 5*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond, 200*time.Millisecond),
		keys: 1 + r.IntN(8), burst: pick(r, 1, 1, 4, 20),
		patience: pick(r, 150*time.Millisecond, time.Second, 4*time.Second), patienceNone: pick(r, 0, 20, 100),
		cancel: pick(r, 0, 0, 5), large: pick(r, 0, 0, 5), oneNode: r.IntN(3) == 0,
		executeFails: pick(r, 0, 0, 20, 300),
		batchMax:     pick(r, 1, 5, 100), batchDelay: pick(r, 0, 0, 2*time.Millisecond, 20*time.Millisecond),
	}
	p.Faults = drawFaults(r, &p)
	p.any = kind == Any
	p.drawMachines()
	p.drawHistory()
	p.drawWorld(kind)
	return p
}

// drawMachines draws what state machines are like, from a stream of chance of
// its own.
func (p *Plan) drawMachines() {
	r := stream(p.Seed, streamMachine)
	p.load.executeMany = r.IntN(2) == 0
	p.load.losses, p.load.saves = pick(r, 0, 0, 20, 100), pick(r, 0, 100, 3000)
	p.load.early, p.digest = pick(r, 0, 1, 1, 150), r.IntN(2) == 0
}

// drawHistory draws whether every byte of the history is compared. Only then
// values go bad in memory, since without it nothing could find that.
func (p *Plan) drawHistory() {
	r := stream(p.Seed, streamHistory)
	p.history = p.crc && r.IntN(2) == 0
	if rotten := pick(r, 0, 5, 50); p.history {
		p.rotten = rotten
	}
}

// drawFaults draws which kinds occur, how densely, and then each of them.
func drawFaults(r *rand.Rand, p *Plan) []Fault {
	var kinds []FaultKind
	for k := range accidents {
		if r.IntN(3) == 0 {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	gap := pick(r, 300*time.Millisecond, time.Second, 4*time.Second)
	var out []Fault
	flips := 0
	for at := between(r, 0, 2*gap); at < p.Chaos; at += between(r, gap/10, 2*gap) {
		f := drawFault(r, kinds[r.IntN(len(kinds))], at, p.Nodes)
		if f.Kind == BitFlip {
			// A node that lost a record for good may never vote again, so a
			// majority has to stay whole; one hit will do to see it found.
			if flips++; flips > 1 || p.Nodes < 3 {
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

func drawFault(r *rand.Rand, k FaultKind, at time.Duration, nodes int) Fault {
	f := Fault{Kind: k, At: at, Node: r.IntN(nodes), For: between(r, 20*time.Millisecond, 6*time.Second)}
	f.Peer = (f.Node + 1 + r.IntN(max(1, nodes-1))) % nodes
	switch k {
	case Partition, OneWay:
		f.X = 1 + r.Int64N(1<<nodes-1)
	case SlowLink:
		f.X = int64(between(r, 10*time.Millisecond, 3*time.Second))
	case LossyLink:
		f.X = 100 + r.Int64N(800)
	case Kill, PowerLoss, PowerLossAll:
		f.For = pick(r, time.Millisecond, between(r, 0, 200*time.Millisecond), between(r, 0, 8*time.Second))
	case Drift:
		f.X = r.Int64N(100001) - 50000
	case SlowDisk:
		f.X = int64(between(r, 5*time.Millisecond, 3*time.Second))
	}
	return f
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}
