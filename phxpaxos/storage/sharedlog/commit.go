package sharedlog

import (
	"fmt"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// request is a variable that waits to be written.
type request struct {
	group *groupLog
	name  storage.Variable
	value []byte
	done  bool
	err   error
}

// Write implements storage.LogStorage: one write and one sync for all groups,
// and for the variables that wait at the time. More are needed only at the
// end of a segment, and a write of its own for each large record.
func (s *Store) Write(puts []storage.Put) error {
	for i := range puts {
		if err := s.inRange(puts[i].Group); err != nil {
			return err
		}
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.wmu.Lock()
	err := s.commit(puts)
	s.wmu.Unlock()
	s.wake()
	return err
}

// SetVariable implements storage.LogStorage. Callers share a sync with each
// other and with Write.
func (s *Store) SetVariable(group int, name storage.Variable, value []byte) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	switch {
	case uint64(name) >= variables:
		return fmt.Errorf("group %d: there is no variable %d: %w", group, name, storage.ErrRecord)
	case name == storage.MinChosen && len(value) != 8:
		return fmt.Errorf("group %d: MinChosen has %d bytes, must be 8: %w", group, len(value), storage.ErrRecord)
	case len(value) > variableBytesMax:
		return fmt.Errorf("group %d: variable %d has %d bytes, at most %d: %w", group, name, len(value), variableBytesMax, storage.ErrRecord)
	}
	r := &request{group: g, name: name, value: slices.Clone(value)}
	s.qmu.Lock()
	s.queue = append(s.queue, r)
	s.qmu.Unlock()
	s.wmu.Lock()
	if !r.done {
		s.commit(nil) // its error is that of the puts, of which there are none
	}
	s.wmu.Unlock()
	s.wake()
	return r.err
}

// Variable implements storage.LogStorage.
func (s *Store) Variable(group int, name storage.Variable) ([]byte, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g.broken != nil {
		return nil, g.broken
	}
	if uint64(name) >= variables || !g.vars[name].some {
		return nil, storage.ErrNotFound
	}
	v := &g.vars[name]
	return slices.Clone(v.value), v.err
}

// commit writes puts and the variables that wait, syncs if any of them asks
// for it, and makes them visible. The caller holds wmu.
func (s *Store) commit(puts []storage.Put) error {
	s.qmu.Lock()
	queue := s.queue
	s.queue = nil
	s.qmu.Unlock()
	began := s.clock()
	s.check(puts)
	err := s.write(puts, queue)
	if err != nil {
		err = s.fail(err)
		s.w.staged = s.w.staged[:0]
	}
	for _, r := range queue {
		if r.done = true; r.err == nil {
			r.err = err
		}
	}
	return s.conclude(puts, err, began)
}

// clock is the time, if anybody wants to know how long something took.
func (s *Store) clock() (now time.Time) {
	if s.opts.Observer != nil && !s.opts.Deterministic {
		now = time.Now()
	}
	return now
}

// check refuses the groups whose puts must not be written, before anything of
// them is.
func (s *Store) check(puts []storage.Put) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range puts {
		p := &puts[i]
		g := s.groups[p.Group]
		if !g.touched {
			g.touched, g.staged, g.refused, g.bytes = true, g.mark, g.broken, 0
			s.w.touched = append(s.w.touched, g)
		}
		if g.refused != nil {
			continue
		}
		switch {
		case len(p.Data) == 0:
			g.refused = fmt.Errorf("group %d instance %d: empty: %w", g.id, p.Instance, storage.ErrRecord)
		case len(p.Data) > recordBytesMax:
			g.refused = fmt.Errorf("group %d instance %d: %d bytes, at most %d: %w",
				g.id, p.Instance, len(p.Data), recordBytesMax, storage.ErrRecord)
		case p.Instance > instanceMax:
			g.refused = fmt.Errorf("group %d instance %d is reserved: %w", g.id, p.Instance, storage.ErrRecord)
		case g.staged.hasNewest && p.Instance < g.staged.newest:
			g.refused = fmt.Errorf("group %d instance %d comes after %d: %w", g.id, p.Instance, g.staged.newest, storage.ErrOrder)
		}
		g.staged.newest, g.staged.hasNewest = p.Instance, true
		g.bytes += headBytes + len(p.Data)
	}
}

func (s *Store) write(puts []storage.Put, queue []*request) error {
	s.mu.RLock()
	failed := s.failed
	s.mu.RUnlock()
	if failed != nil {
		return failed
	}
	sync := false
	for i := range puts {
		p := &puts[i]
		if s.groups[p.Group].refused != nil {
			continue
		}
		sync = sync || p.Sync
		if err := s.stage(&Header{Kind: Record, Group: uint32(p.Group), Instance: p.Instance}, p.Data); err != nil {
			return err
		}
	}
	for _, r := range queue {
		if r.err = r.group.broken; r.err != nil {
			continue
		}
		sync = true
		if err := s.stage(&Header{Kind: Variable, Group: uint32(r.group.id), Instance: uint64(r.name)}, r.value); err != nil {
			return err
		}
	}
	return s.settle(sync)
}

// settle writes what is staged, syncs it if need be, and makes it visible.
func (s *Store) settle(sync bool) error {
	if err := s.flush(); err != nil {
		return err
	}
	if sync {
		if err := s.sync(); err != nil {
			return err
		}
	}
	s.publish()
	return nil
}

// conclude reports how a commit went, also to the observer.
func (s *Store) conclude(puts []storage.Put, err error, began time.Time) error {
	var partial *storage.WriteError
	for _, g := range s.w.touched {
		g.touched = false
		if g.refused != nil && err == nil {
			if partial == nil {
				partial = &storage.WriteError{Groups: map[int]error{}}
			}
			partial.Groups[g.id] = g.refused
		}
	}
	if s.opts.Observer != nil {
		s.report(err, began)
	}
	s.w.touched = s.w.touched[:0]
	switch {
	case err != nil && len(puts) > 0:
		return err
	case partial != nil:
		return partial
	}
	return nil
}

func (s *Store) report(err error, began time.Time) {
	for _, g := range s.w.touched {
		e := event.Event{Kind: event.Append, Group: g.id, Instance: g.staged.newest, Size: g.bytes}
		if e.Err = err; err == nil {
			e.Err = g.refused
		}
		if !began.IsZero() {
			e.Took = time.Since(began)
		}
		if e.Err != nil {
			e.Kind = event.AppendFail
		}
		s.opts.observe(e)
	}
}
