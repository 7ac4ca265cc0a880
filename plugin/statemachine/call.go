package statemachine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// ID is what the process says.
func (h *host) ID() sm.ID { return sm.ID(h.desc.Id) }

// Execute is ExecuteBatch with one entry.
func (h *host) Execute(e sm.Entry) ([]byte, error) {
	var one [1][]byte
	results, err := h.ExecuteBatch([]sm.Entry{e}, one[:0])
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// ExecuteBatch gives the entries to the process in one call.
func (h *host) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	if len(entries) == 0 {
		return results, nil
	}
	g, err := h.contact(entries[0].Group)
	if err != nil {
		return results, fmt.Errorf("%w: %w", sm.ErrInterrupted, err)
	}
	l, err := h.admit(g, entries[0])
	if err != nil {
		return results, err
	}
	response, err := h.exchange(l, g, entries)
	switch {
	case err != nil:
		l.condemn(err)
		return results, l.interrupted()
	case response == nil:
		return append(results, make([][]byte, len(entries))...), nil
	}
	if err := h.answered(l, g, entries, response); err != nil {
		l.condemn(err)
		return results, fmt.Errorf("%w: %w", sm.ErrInterrupted, err)
	}
	results = append(results, response.Results...)
	if response.Failed {
		return results, fmt.Errorf("state machine %d: %s", h.desc.Id, response.Error)
	}
	return results, nil
}

// admit returns the process that may execute an entry.
func (h *host) admit(g *group, e sm.Entry) (*life, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.life == nil:
		return nil, h.away()
	case !g.told:
		return nil, fmt.Errorf("%w: a new process runs", sm.ErrInterrupted)
	case position{e.Instance, e.Index}.before(g.next):
		h.life.condemn(errRepeat)
		return nil, fmt.Errorf("%w: %w", sm.ErrInterrupted, errRepeat)
	}
	g.unanswered++
	g.given = e.Instance + 1
	return h.life, nil
}

// exchange sends a request on the group's line and waits for the response, if
// somebody waits for that; else it returns nil as soon as it can.
func (h *host) exchange(l *life, g *group, entries []sm.Entry) (*pb.ExecuteResponse, error) {
	defer g.forget()
	if g.lineOf != l {
		line, err := h.open(l, g)
		if err != nil {
			return nil, err
		}
		g.line, g.lineOf = line, l
	}
	if p, ok := g.line.(*pipeline); ok {
		if entries[0].Discard {
			what := given{len(entries), behind(entries[len(entries)-1])}
			h.ahead(g, what.behind)
			return nil, p.give(g.ask(entries), what)
		}
		if err := p.drain(); err != nil { // what comes before has time of its own
			return nil, err
		}
	}
	defer l.watchdog().Stop()
	return g.line.exchange(g.ask(entries))
}

// ahead takes note that entries count as executed. Until they are, the state
// is older than what the group has told.
func (h *host) ahead(g *group, next position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.next = next
	g.reached.raise(next)
}

// ask makes the request for entries. One goroutine executes in a group, so
// the group's own will do.
func (g *group) ask(entries []sm.Entry) *pb.ExecuteRequest {
	first, last := entries[0], entries[len(entries)-1]
	r := &g.request
	r.Group, r.Instance, r.Replay, r.Last = int32(first.Group), first.Instance, first.Replay, last.Last
	for len(g.entries) < len(entries) {
		g.entries = append(g.entries, &pb.Entry{})
	}
	r.Entries = g.entries[:len(entries)]
	for i, e := range entries {
		r.Entries[i].Index, r.Entries[i].Value = uint32(e.Index), e.Value
	}
	return r
}

// forget drops the values of the last request.
func (g *group) forget() {
	for _, e := range g.request.Entries {
		e.Value = nil
	}
}

// answered takes the response to entries that somebody waits for.
func (h *host) answered(l *life, g *group, entries []sm.Entry, r *pb.ExecuteResponse) error {
	if err := checkResponse(len(entries), r); err != nil {
		return err
	}
	var at position
	if n := len(r.Results); n > 0 {
		at = behind(entries[n-1])
	}
	return h.executed(l, g, at, r.Checkpoint)
}

// collect takes the response to what nobody waits for. A failure ends the
// life: what the process was given behind that must not be executed.
func (h *host) collect(l *life, g *group, what given, r *pb.ExecuteResponse) error {
	if err := checkResponse(what.count, r); err != nil {
		return err
	}
	if r.Failed {
		return fmt.Errorf("it cannot execute what was decided: %s", r.Error)
	}
	return h.executed(l, g, what.behind, r.Checkpoint)
}

// checkResponse checks that the response to count entries makes sense.
func checkResponse(count int, r *pb.ExecuteResponse) error {
	switch n := len(r.Results); {
	case !r.Failed && n != count:
		return fmt.Errorf("it was given %d entries and answered with %d results", count, n)
	case r.Failed && n >= count:
		return fmt.Errorf("it was given %d entries and answered with %d results, and a failure", count, n)
	}
	return nil
}

// executed takes note that everything in front of at is executed, and where
// the durable state ends.
func (h *host) executed(l *life, g *group, at position, c *pb.Checkpoint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != l {
		return errors.New("it has ended meanwhile")
	}
	g.unanswered--
	old := g.at.before(g.reached)
	g.at.raise(at)
	g.next.raise(at)
	g.reached.raise(at)
	if old && !g.at.before(g.reached) {
		h.tell()
	}
	if !h.desc.Checkpoints {
		return nil
	}
	return g.durable(c)
}

// BeforePropose lets the process replace a value. If there is none it waits
// for the next as long as a call may take, and then leaves the value alone.
func (h *host) BeforePropose(index int, value []byte) []byte {
	ctx, cancel := context.WithTimeout(h.closing, h.opts.CallTimeout)
	defer cancel()
	for {
		l, err := h.await(ctx)
		if err != nil {
			h.logger().Error("value is proposed without having been shown to its state machine", "group", index, "err", err)
			return value
		}
		h.drain(index)
		response, err := call(l, h.opts.CallTimeout, l.rpc.BeforePropose, &pb.BeforeProposeRequest{Group: int32(index), Value: value})
		if err == nil {
			return response.Value
		}
		h.gone(ctx, l)
	}
}

// drain waits until the process has executed what it was given in a group: it
// may rely on one call coming after the other. If it ends, others will notice.
func (h *host) drain(index int) {
	h.mu.Lock()
	g := h.groups[index]
	h.mu.Unlock()
	if g == nil {
		return
	}
	if p, ok := g.line.(*pipeline); ok {
		p.drain()
	}
}

// gone waits until a process that is over is no longer the one to call.
func (h *host) gone(ctx context.Context, l *life) {
	for {
		h.mu.Lock()
		same, changed := h.life == l, h.changed
		h.mu.Unlock()
		if !same || h.wait(ctx, changed) != nil {
			return
		}
	}
}

// Snapshot lets the process freeze its durable state. The files lie where the
// process put them: both run on one machine, and what a group may send for
// hours need not be copied. They stay valid if the process dies, unless its
// successor removes them.
func (h *host) Snapshot(index int) (sm.Snapshot, error) {
	g, err := h.contact(index)
	if err != nil {
		return sm.Snapshot{}, err
	}
	l, err := h.current()
	if err != nil {
		return sm.Snapshot{}, err
	}
	r, err := call(l, h.opts.SnapshotTimeout, l.rpc.TakeSnapshot, &pb.TakeSnapshotRequest{Group: int32(index)})
	if err != nil {
		return sm.Snapshot{}, err
	}
	if r.Failed {
		return sm.Snapshot{}, fmt.Errorf("state machine %d: snapshot: %s", h.desc.Id, r.Error)
	}
	release := func() {
		// In another life the handle means nothing.
		if now, err := h.current(); err == nil && now == l {
			call(l, h.opts.CallTimeout, l.rpc.ReleaseSnapshot, &pb.ReleaseSnapshotRequest{Handle: r.Handle}) // an error ends the life
		}
	}
	err = checkFiles(r.Dir, r.Files)
	if h.mu.Lock(); err == nil && h.life == l && r.Instance >= g.given {
		err = fmt.Errorf("its snapshot includes instance %d; it was given everything below %d", r.Instance, g.given)
	}
	h.mu.Unlock()
	if err != nil {
		l.condemn(err)
		return sm.Snapshot{}, fmt.Errorf("%w: %w", sm.ErrInterrupted, err)
	}
	return sm.Snapshot{Instance: r.Instance, Dir: r.Dir, Files: r.Files, Release: release}, nil
}

// checkFiles checks the paths of a snapshot: the host would send any file.
func checkFiles(dir string, files []string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("the directory of its snapshot is %q, which is not absolute", dir)
	}
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f)) {
			return fmt.Errorf("its snapshot has the file %q, which is not below the directory", f)
		}
	}
	return nil
}

// LoadSnapshot lets the process replace its durable state.
func (h *host) LoadSnapshot(index int, s sm.Snapshot) error {
	g, err := h.contact(index)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return fmt.Errorf("statemachine: %w", err)
	}
	l, err := h.current()
	if err != nil {
		return err
	}
	h.drain(index)
	r, err := call(l, h.opts.SnapshotTimeout, l.rpc.LoadSnapshot,
		&pb.LoadSnapshotRequest{Group: int32(index), Instance: s.Instance, Dir: dir, Files: s.Files})
	if err != nil {
		return err
	}
	if r.Failed {
		return fmt.Errorf("state machine %d: load a snapshot: %s", h.desc.Id, r.Error)
	}
	ends, err := l.checkpoints([]int{index})
	if err == nil && ends[0] != s.Instance {
		err = fmt.Errorf("it loaded a snapshot of instance %d, and says that its durable state ends with %d", s.Instance, int64(ends[0]))
		l.condemn(err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", sm.ErrInterrupted, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != l {
		return fmt.Errorf("%w: the process ended when it had loaded a snapshot", sm.ErrInterrupted)
	}
	told := g.told
	g.begin(s.Instance)
	g.told = told
	h.tell()
	return nil
}

// Query reads the state of a group in the process. It waits until there is
// one that has everything that was executed before.
func (h *host) Query(ctx context.Context, index int, request []byte) ([]byte, error) {
	if !h.desc.Queries {
		return nil, fmt.Errorf("statemachine: state machine %d answers no queries; its author has to implement statemachine.Querier", h.desc.Id)
	}
	g, err := h.contact(index)
	if err != nil {
		return nil, err
	}
	for {
		l, err := h.level(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("statemachine: query: %w", err)
		}
		answer, err := l.query(ctx, index, request)
		switch {
		case err == nil && answer.Failed:
			return nil, fmt.Errorf("state machine %d: query: %s", h.desc.Id, answer.Error)
		case err == nil:
			return answer.Response, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("statemachine: query: %w", context.Cause(ctx))
		}
		h.gone(ctx, l) // it is over, the next one answers
	}
}

// level waits for a process whose state of g is not older than any before.
func (h *host) level(ctx context.Context, g *group) (*life, error) {
	for {
		h.mu.Lock()
		l, changed, old := h.life, h.changed, g.at.before(g.reached)
		h.mu.Unlock()
		if l != nil && !old {
			return l, nil
		}
		if err := h.wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}
