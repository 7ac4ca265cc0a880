package vfile

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// staging is what one Write does to one group.
type staging struct {
	open bool
	err  error // refuses the group's puts, or says what failed
	sync bool  // the group's file has to be synced

	buf   []byte // records that are not in the file yet
	base  int64  // where buf goes
	off   int64  // where the next record goes
	recs  []stagedRecord
	seen  tail  // the newest record that was checked
	last  tail  // the newest record that was staged
	bytes int64 // written by this Write
	known int64 // of these, published
	began time.Time
}

type stagedRecord struct {
	instance uint64
	loc      location
}

// bufKeepMax is what a group may keep of its buffer between two writes.
const bufKeepMax = 1 << 20

// Write implements storage.LogStorage: one write and one sync for each group
// (more only when a value file is full, or for a record with a whole sector
// of zeros in it). Files of several groups are synced in parallel.
func (s *Store) Write(puts []storage.Put) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	for i := range puts {
		if p := &puts[i]; p.Group < 0 || p.Group >= len(s.groups) {
			return fmt.Errorf("group %d of %d: %w", p.Group, len(s.groups), storage.ErrGroup)
		}
	}
	s.touched = s.touched[:0]
	for i := range puts {
		g := s.groups[puts[i].Group]
		if !g.st.open {
			g.begin()
			s.touched = append(s.touched, g)
		}
		g.check(&puts[i])
	}
	for i := range puts {
		s.groups[puts[i].Group].stage(&puts[i])
	}
	for _, g := range s.touched {
		g.writeStaged()
	}
	s.syncs.run(s.touched)
	return s.finish()
}

// finish publishes what was written and reports what was not.
func (s *Store) finish() error {
	var failed *storage.WriteError
	for _, g := range s.touched {
		if err := g.finish(); err != nil {
			if failed == nil {
				failed = &storage.WriteError{Groups: map[int]error{}}
			}
			failed.Groups[g.id] = err
		}
		g.wmu.Unlock()
		g.wake(s.back)
	}
	if failed != nil {
		return failed
	}
	return nil
}

// begin takes the group for writing.
func (g *group) begin() {
	g.wmu.Lock()
	st := &g.st
	st.open, st.sync = true, false
	st.err = g.unusable()
	st.base, st.off, st.seen, st.last = g.end, g.end, g.last, g.last
	st.bytes, st.known = 0, 0
	if g.opts.Observer != nil && !g.opts.Deterministic {
		st.began = time.Now()
	}
}

// check refuses what must not be written, before anything of the group is.
func (g *group) check(p *storage.Put) {
	st := &g.st
	if st.err != nil {
		return
	}
	limit := min(g.opts.FileBytesMax, math.MaxInt32)
	switch {
	case len(p.Data) == 0:
		st.err = fmt.Errorf("group %d instance %d: empty: %w", g.id, p.Instance, storage.ErrRecord)
	case p.Instance > instanceMax:
		st.err = fmt.Errorf("group %d instance %d is reserved: %w", g.id, p.Instance, storage.ErrRecord)
	case headBytes+int64(len(p.Data)) > limit:
		st.err = fmt.Errorf("group %d instance %d: %d bytes do not fit into a file of %d: %w",
			g.id, p.Instance, len(p.Data), limit, storage.ErrRecord)
	case st.seen.some && p.Instance < st.seen.instance:
		st.err = fmt.Errorf("group %d instance %d comes after %d: %w", g.id, p.Instance, st.seen.instance, storage.ErrOrder)
	case !g.opts.Valid(p.Instance, p.Data):
		st.err = fmt.Errorf("group %d instance %d: recovery would take it for a torn one: %w", g.id, p.Instance, storage.ErrRecord)
	}
	st.seen.some, st.seen.instance = true, p.Instance
}

// stage adds a record to the buffer, turning to a new file when the current
// one is full.
func (g *group) stage(p *storage.Put) {
	st := &g.st
	if st.err != nil {
		return
	}
	if need := headBytes + int64(len(p.Data)); st.off+need > g.cur.size {
		if err := g.rotate(); err != nil {
			g.stagingFailed(err)
			return
		}
	}
	at, from := st.off, len(st.buf)
	st.buf = appendRecord(st.buf, p.Instance, p.Data)
	rec := st.buf[from:]
	e := entry{
		offset:   at,
		length:   int32(keyBytes + len(p.Data)),
		instance: p.Instance,
		sampled:  sampledCRC(p.Instance, p.Data),
		full:     checksum.CRC32C(0, rec),
	}
	if hasZeroSector(at, rec) {
		st.buf = st.buf[:from]
		if err := g.announce(e); err != nil {
			g.stagingFailed(err)
			return
		}
		st.buf = appendRecord(st.buf, p.Instance, p.Data)
	}
	loc := location{file: int32(g.cur.id), offset: int32(at), crc: e.sampled}
	g.cur.side.add(e)
	st.recs = append(st.recs, stagedRecord{p.Instance, loc})
	st.last = tail{some: true, loc: loc, instance: p.Instance, crc: e.full}
	st.off = e.end()
	st.bytes += e.end() - e.offset
	st.sync = st.sync || p.Sync
}

// writeStaged writes the buffer to the file, in one call.
func (g *group) writeStaged() {
	st := &g.st
	if st.err != nil || len(st.buf) == 0 {
		return
	}
	g.claim(st.off)
	if _, err := g.cur.f.WriteAt(st.buf, st.base); err != nil {
		g.opts.observe(event.Event{Kind: event.RecordWriteFail, Group: g.id, Size: len(st.buf), Err: err})
		g.stagingFailed(fmt.Errorf("write %d bytes at offset %d of %s: %w", len(st.buf), st.base, valueName(g.cur.id), err))
		return
	}
	st.buf = st.buf[:0]
	st.base = st.off
}

// syncStaged makes everything in the current file durable.
func (g *group) syncStaged() {
	st := &g.st
	if st.err != nil || !st.sync {
		return
	}
	err := g.cur.sync()
	if err == nil {
		err = g.cur.side.prove(st.off)
	}
	if err != nil {
		g.stagingFailed(err)
	}
}

// announce makes the checksum of a record durable before the record itself is
// written. It is for the rare record with a whole sector of zeros in it:
// should power fail, a sector that never reached the disk could not be told
// from its own zeros. What is in front is synced first, since entries are
// sorted.
func (g *group) announce(e entry) error {
	st := &g.st
	g.writeStaged()
	st.sync = true
	g.syncStaged()
	if st.err != nil {
		return st.err
	}
	if err := g.cur.side.announce(e); err != nil {
		return err
	}
	return g.syncNewSidecar(g.cur)
}

// syncNewSidecar makes the name of a new sidecar durable.
func (g *group) syncNewSidecar(v *valueFile) error {
	if !v.side.takeCreated() {
		return nil
	}
	return g.opts.FS.SyncDir(g.dir)
}

func (g *group) stagingFailed(err error) {
	g.st.err = g.fail(err)
}

// finish makes what was written readable. The caller holds wmu.
func (g *group) finish() error {
	st := &g.st
	err := st.err
	if err == nil {
		g.publish()
	}
	if g.opts.Observer != nil {
		e := event.Event{Kind: event.Append, Group: g.id, Instance: st.last.instance, Size: int(st.bytes), Err: err}
		if !g.opts.Deterministic {
			e.Took = time.Since(st.began)
		}
		if err != nil {
			e.Kind = event.AppendFail
		}
		g.opts.observe(e)
	}
	if cap(st.buf) > bufKeepMax {
		st.buf = nil
	}
	st.buf, st.recs = st.buf[:0], st.recs[:0]
	st.open, st.err = false, nil
	return err
}

func (g *group) publish() {
	st := &g.st
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range st.recs {
		g.active[r.instance] = r.loc
		if !g.hasMax || r.instance > g.max {
			g.max, g.hasMax = r.instance, true
		}
		g.floor = min(g.floor, r.instance)
	}
	if len(st.recs) > 0 {
		g.end, g.last = st.off, st.last
	}
	g.since += st.bytes - st.known
	st.known = st.bytes
	st.recs = st.recs[:0]
}

// rotate turns to the next value file. The old one is synced, then meta, and
// only then is the file made: a crash in between leaves a meta that names a
// file which does not exist, and that is made up for at the next open.
func (g *group) rotate() error {
	st := &g.st
	st.sync = true
	g.writeStaged()
	g.syncStaged()
	if st.err != nil {
		return st.err
	}
	// Later checkpoints sync the checksums of later files only.
	if _, err := g.cur.side.sync(); err != nil {
		return err
	}
	id := g.cur.id + 1
	if err := writeMeta(g.opts.FS, g.dir, id); err != nil {
		return fmt.Errorf("write meta: %w", err)
	}
	next, err := g.files.create(id, g.opts.FileBytesMax)
	if err != nil {
		return fmt.Errorf("make value file %d: %w", id, err)
	}
	g.publish() // before cur moves on, so that a checkpoint never skips them
	g.zmu.Lock()
	g.mu.Lock()
	old := g.cur
	g.cur, g.end = next, 0
	g.zeroed.Store(0)
	g.mu.Unlock()
	g.zmu.Unlock()
	// A file that is full is hardly read again, and its pages would keep memory
	// that the next one then has to ask for.
	storage.DropCache(old.f) // without it all is right as well
	g.files.release(old)
	st.base, st.off = 0, 0
	return nil
}

// syncPool syncs the files of several groups at once.
type syncPool struct {
	wake chan struct{}
	done sync.WaitGroup // of one run
	end  sync.WaitGroup
	next atomic.Int64
	list []*group
}

func (p *syncPool) start(workers int) {
	p.wake = make(chan struct{}, workers) // so that waking never blocks
	for range workers {
		p.end.Go(func() {
			for range p.wake {
				p.work()
				p.done.Done()
			}
		})
	}
}

func (p *syncPool) stop() {
	if p.wake != nil {
		close(p.wake)
	}
	p.end.Wait()
}

func (p *syncPool) work() {
	for {
		i := int(p.next.Add(1)) - 1
		if i >= len(p.list) {
			return
		}
		p.list[i].syncStaged()
	}
}

// run syncs the groups of a batch; the caller's goroutine takes part.
func (p *syncPool) run(groups []*group) {
	p.list = groups
	p.next.Store(0)
	for range min(cap(p.wake), len(groups)-1) {
		p.done.Add(1)
		p.wake <- struct{}{}
	}
	p.work()
	p.done.Wait()
	p.list = nil
}
