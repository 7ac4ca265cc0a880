package sim

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// Options says how a plan is run. The zero value is the production code on
// the production log storage, without a trace.
type Options struct {
	Hazards paxos.Hazards // safety rules that are switched off
	Trace   io.Writer     // where every step is written, or nil
	Storage Storage       // the log storage of the nodes
}

// Result is what came out of a run.
type Result struct {
	Violation *Violation // nil if everything held
	Digest    uint64     // the same for the same plan, always
	Stats     Stats
}

// Run plays a plan to its end, or to its first violation. A panic of the code
// under test is a violation.
func Run(p Plan, o Options) (res Result) {
	w := newWorld(p, o)
	defer func() {
		if r := recover(); r != nil {
			w.report.fail("no panic", "%v\n%s", r, debug.Stack())
		}
		res = w.result()
	}()
	w.start()
	w.run()
	return res
}

func (w *World) result() Result {
	w.stats.Runs = 1
	w.stats.Virtual = w.now
	for _, c := range w.checks {
		w.stats.Chosen += uint64(len(c.votes.values))
		w.stats.Elections += uint64(len(c.model.reigns))
	}
	return Result{Violation: w.report.first, Digest: uint64(w.digest), Stats: w.stats}
}

// String is a seed's plan in a few lines.
func (p *Plan) String() string {
	s := fmt.Sprintf("seed %d: %d nodes, %d groups, chaos %v\n  net %+v\n  disk %+v\n  load %+v\n  %v world %+v\n  jitter %v drift %d crc %v digest %v\n",
		p.Seed, p.Nodes, p.Groups, p.Chaos, p.net, p.disk, p.load, p.Kind, p.world, p.jitter, p.drift, p.crc, p.digest)
	for i, f := range p.Faults {
		skip := ""
		if p.Skip[i] {
			skip = " (left out)"
		}
		s += fmt.Sprintf("  %3d %12v %v%s\n", i, f.At, f, skip)
	}
	return s
}
