package statemachine

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// position is a place in a group's log: everything in front of entry index of
// instance is executed.
type position struct {
	instance uint64
	index    int
}

func (p position) before(q position) bool {
	return p.instance < q.instance || p.instance == q.instance && p.index < q.index
}

// raise moves p to q, never back.
func (p *position) raise(q position) {
	if p.before(q) {
		*p = q
	}
}

// behind is the position behind an entry.
func behind(e sm.Entry) position {
	if e.Last {
		return position{e.Instance + 1, 0}
	}
	return position{e.Instance, e.Index + 1}
}

// group is what the host knows of one group. Its upper fields belong to host.mu.
type group struct {
	index      int
	told       bool     // the group knows where the state of the running process ends
	start      uint64   // the durable state of the running process ended here when it started
	at         position // of the running process
	next       position // behind everything that it was given
	reached    position // what any process was given and counts as executed; while at is before it the state is old
	unanswered int      // requests
	given      uint64   // everything below this instance was given to the running process, which may not have answered yet
	checkpoint uint64   // the durable state ends here, as far as is known

	// Of the goroutine that executes.
	line    line
	lineOf  *life
	request pb.ExecuteRequest // used again for every call
	entries []*pb.Entry
}

// begin takes where the durable state of a new process ends.
func (g *group) begin(end uint64) {
	g.told, g.unanswered = false, 0
	g.start, g.checkpoint = end, end
	g.at, g.given = position{end + 1, 0}, end+1 // NoCheckpoint+1 is 0
	g.next = g.at
	g.reached.raise(g.at)
}

// durable takes a checkpoint that the process reports.
func (g *group) durable(c *pb.Checkpoint) error {
	now := end(c)
	switch {
	case now+1 > g.at.instance:
		return fmt.Errorf("group %d: it says that its durable state includes instance %d; it has everything below %d", g.index, now, g.at.instance)
	case now+1 < g.checkpoint+1:
		return fmt.Errorf("group %d: its durable state included instance %d, now it says %d", g.index, g.checkpoint, int64(now))
	}
	g.checkpoint = now
	return nil
}

// ping asks for a sign of life, and where the durable states end: a group that
// has nothing to execute would not hear of it otherwise, and keep its log. An
// error has ended the life.
func (h *host) ping(l *life) {
	if !l.desc.Checkpoints {
		call(l, l.opts.CallTimeout, l.rpc.Checkpoints, &pb.CheckpointsRequest{})
		return
	}
	indexes := h.opened()
	ends, err := l.checkpoints(indexes)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || h.life != l {
		return
	}
	for i, index := range indexes {
		// While it is busy, an answer with an older checkpoint may be under
		// way, which must not look like a step back.
		if g := h.groups[index]; g.unanswered == 0 && ends[i]+1 > g.checkpoint+1 && ends[i] < g.given {
			g.checkpoint = ends[i]
		}
	}
}

// errRepeat: the node was opened again on the same process.
var errRepeat = errors.New("entries come again, so the process has to fall back to its durable state")

// contact returns what is known of a group. The first time it has to ask the
// process, and for that it waits until there is one.
func (h *host) contact(index int) (*group, error) {
	for {
		h.mu.Lock()
		g := h.groups[index]
		h.mu.Unlock()
		if g != nil {
			return g, nil
		}
		l, err := h.await(h.closing)
		if err != nil {
			return nil, err
		}
		ends, err := l.checkpoints([]int{index})
		if err != nil {
			continue // the next process will say
		}
		h.mu.Lock()
		if h.life == l && h.groups[index] == nil {
			g = &group{index: index, checkpoint: sm.NoCheckpoint}
			g.begin(ends[0])
			g.told = true // it begins with what CheckpointInstance returns
			h.groups[index] = g
		}
		h.mu.Unlock()
	}
}

// Rewound tells a group once where the state of a new process ends.
func (h *host) Rewound(index int) (to uint64, rewound bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.groups[index]
	if h.life == nil || g == nil || g.told {
		return 0, false
	}
	g.told = true
	return g.start, true
}

// OnRewind takes the function that wakes a group.
func (h *host) OnRewind(index int, wake func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakes[index] = wake
}

// CheckpointInstance returns what the process reported last. Only the first
// call for a group may block, until the process runs.
func (h *host) CheckpointInstance(index int) uint64 {
	g, err := h.contact(index)
	if err != nil {
		return sm.NoCheckpoint // closed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return g.checkpoint
}
