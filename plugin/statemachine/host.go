package statemachine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// ErrClosed is matched by errors of calls after Close.
var ErrClosed = errors.New("statemachine: closed")

// host keeps a process of the state machine running, and knows for each group
// how far that process is.
type host struct {
	path string
	opts Options
	desc *pb.DescribeResponse // of the first life; later ones must not differ

	closing context.Context
	close   context.CancelFunc
	done    chan struct{} // closed when the last process is gone

	mu      sync.Mutex
	life    *life // nil while there is none that can be called
	why     error // why there is none
	groups  map[int]*group
	wakes   map[int]func()
	changed chan struct{} // closed and replaced when a process came, went, or caught up
}

// start starts the first process.
func start(path string, opts Options) (*host, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if path, err = exec.LookPath(path); err != nil {
		return nil, fmt.Errorf("statemachine: %w; give the path of a program that calls statemachine.Serve", err)
	}
	// Later processes are started where the first one was, also if this process
	// has changed its working directory.
	path, pathErr := whole(path)
	dir, dirErr := filepath.Abs(opts.Dir)
	if err := errors.Join(pathErr, dirErr); err != nil {
		return nil, fmt.Errorf("statemachine: the working directory is unknown: %w; give absolute paths", err)
	}
	opts.Dir = dir
	h := &host{path: path, done: make(chan struct{}), changed: make(chan struct{}),
		groups: map[int]*group{}, wakes: map[int]func(){}}
	opts.Logger = opts.Logger.With("statemachine", path)
	h.opts = opts
	h.closing, h.close = context.WithCancel(context.Background())
	l, err := startLife(h.closing, path, 1, &h.opts, h.ping)
	if err != nil {
		h.close()
		return nil, err
	}
	h.desc, h.life = l.desc, l
	h.opts.Logger.Info("state machine runs", "pid", l.proc.ID(), "id", l.desc.Id)
	go h.keep(l)
	return h, nil
}

// keep starts a new process whenever the last one has ended, until Close.
func (h *host) keep(l *life) {
	defer close(h.done)
	pause := h.opts.RestartPauseMin
	for number := l.number + 1; ; number++ {
		select {
		case <-l.ctx.Done():
		case <-h.closing.Done():
			h.down(ErrClosed)
			h.opts.Logger.Info("state machine ends", "pid", l.proc.ID(), "exit", l.stop(h.opts.StopTimeout))
			return
		}
		why := context.Cause(l.ctx)
		h.down(why)
		exit := l.bury()
		lived := time.Since(l.began)
		if lived >= h.opts.RestartPauseMax {
			pause = h.opts.RestartPauseMin
		}
		h.opts.Logger.Error("state machine failed, it is started again", "pid", l.proc.ID(), "err", why, "exit", exit, "lived", lived, "pause", pause)
		if l = h.restart(number, &pause); l == nil {
			h.down(ErrClosed)
			return
		}
	}
}

// restart tries until a process runs, or the host is closed; then it returns
// nil.
func (h *host) restart(number uint64, pause *time.Duration) *life {
	for {
		select {
		case <-time.After(*pause):
		case <-h.closing.Done():
			return nil
		}
		*pause = min(2**pause, h.opts.RestartPauseMax)
		l, err := startLife(h.closing, h.path, number, &h.opts, h.ping)
		if err == nil {
			if err = h.up(l); err == nil {
				h.opts.Logger.Info("state machine runs again", "pid", l.proc.ID())
				return l
			}
			l.condemn(err)
			l.bury()
		}
		if h.closing.Err() != nil {
			return nil
		}
		h.mu.Lock()
		h.why = err
		h.mu.Unlock()
		h.opts.Logger.Error("state machine cannot be started again", "err", err, "pause", *pause)
	}
}

// down takes note that there is no process.
func (h *host) down(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.life, h.why = nil, why
	h.tell()
}

// tell wakes whoever waits for a change. h.mu is held.
func (h *host) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// opened lists the groups that are in use.
func (h *host) opened() (indexes []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.groups {
		indexes = append(indexes, i)
	}
	return indexes
}

// up makes a new process the one that is called, once it has said where its
// durable state ends in every group.
func (h *host) up(l *life) error {
	if d := l.desc; d.Id != h.desc.Id || d.Checkpoints != h.desc.Checkpoints || d.Snapshots != h.desc.Snapshots ||
		d.BeforePropose != h.desc.BeforePropose || d.Queries != h.desc.Queries {
		return fmt.Errorf("it describes itself as %v, the first process did as %v; restart this program to use another state machine", d, h.desc)
	}
	indexes := h.opened()
	ends, err := l.checkpoints(indexes)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, index := range indexes {
		g := h.groups[index]
		if g.checkpoint != sm.NoCheckpoint && ends[i]+1 < g.checkpoint+1 {
			h.opts.Logger.Error("durable state of the state machine is older than it was", "group", index, "before", g.checkpoint, "now", int64(ends[i]))
		}
		g.begin(ends[i])
	}
	h.life, h.why = l, nil
	h.tell()
	for _, wake := range h.wakes {
		wake()
	}
	return nil
}

// checkpoints asks where the durable states of groups end.
func (l *life) checkpoints(groups []int) ([]uint64, error) {
	ends := make([]uint64, len(groups))
	if !l.desc.Checkpoints {
		for i := range ends {
			ends[i] = sm.NoCheckpoint
		}
		return ends, nil
	}
	request := &pb.CheckpointsRequest{}
	for _, g := range groups {
		request.Groups = append(request.Groups, int32(g))
	}
	response, err := call(l, l.opts.CallTimeout, l.rpc.Checkpoints, request)
	if err != nil {
		return nil, err
	}
	if n := len(response.Checkpoints); n != len(groups) {
		err := fmt.Errorf("it was asked for %d checkpoints and told %d", len(groups), n)
		l.condemn(err)
		return nil, err
	}
	for i, c := range response.Checkpoints {
		ends[i] = end(c)
	}
	return ends, nil
}

// end is a checkpoint as package sm has it.
func end(c *pb.Checkpoint) uint64 {
	if !c.GetAny() {
		return sm.NoCheckpoint
	}
	return c.Instance
}

// current is the process to be called, or why there is none.
func (h *host) current() (*life, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.life, h.away()
}

// away is why no process can be called, or nil. h.mu is held.
func (h *host) away() error {
	if h.life != nil {
		return nil
	}
	return fmt.Errorf("%w: no process runs: %w", sm.ErrInterrupted, h.why)
}

// await waits for a process to be called.
func (h *host) await(ctx context.Context) (*life, error) {
	for {
		h.mu.Lock()
		l, changed := h.life, h.changed
		h.mu.Unlock()
		if l != nil {
			return l, nil
		}
		if err := h.wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// wait waits for a change.
func (h *host) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-h.closing.Done():
		return ErrClosed
	case <-ctx.Done():
		if h.closing.Err() != nil {
			return ErrClosed
		}
		return context.Cause(ctx)
	}
}

// Close ends the process and waits until it is gone.
func (h *host) Close() error {
	h.close()
	<-h.done
	return nil
}

// logger is where the host writes.
func (h *host) logger() *slog.Logger { return h.opts.Logger }

// whole is the absolute form of a program's path. A bare name is one that the
// system looks for in its search path, each time.
func whole(program string) (string, error) {
	if filepath.Base(program) == program {
		return program, nil
	}
	return filepath.Abs(program)
}
