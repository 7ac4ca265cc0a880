package vfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// proof is what the sidecar of one file says, and what it shall say.
type proof struct {
	first   int64   // entries in front of the scanned part
	found   []entry // behind these, sorted by offset
	whole   bool    // found is all that lies there
	scanned []entry // made while scanning, for records of our own
	end     int64   // records in front of it were durable
}

// lookup returns the entry of the record at offset; an intent only if there
// is nothing better.
func (p *proof) lookup(offset int64) (entry, bool) {
	i := sort.Search(len(p.found), func(i int) bool { return p.found[i].offset > offset })
	if i > 0 && p.found[i-1].offset == offset {
		return p.found[i-1], true
	}
	return entry{}, false
}

// scan walks the records from the starting place to the end of the current
// file and puts them into the index.
func (r *recovery) scan() error {
	for id := r.from.file; id <= r.meta; id++ {
		if i := sort.SearchInts(r.ids, id); i == len(r.ids) || r.ids[i] != id {
			return r.missing(id)
		}
		offset := int64(0)
		if id == r.from.file {
			offset = r.from.offset
		}
		if err := r.scanFile(id, offset); err != nil {
			return err
		}
	}
	return r.applyOps()
}

func (r *recovery) scanFile(id int, offset int64) error {
	v, err := r.g.files.acquire(id)
	if err != nil {
		return err
	}
	defer r.g.files.release(v)
	p, err := r.proofOf(v, offset)
	if err != nil {
		return err
	}
	r.proofs[id] = p
	sc := NewScanner(v.f, v.size, offset)
	for {
		at := sc.Offset()
		rec, err := sc.Next()
		why := ""
		var bad *BadRecordError
		switch {
		case errors.Is(err, io.EOF):
			why = "the records end here"
		case errors.As(err, &bad):
			why = bad.Why
		case err != nil:
			return err
		default:
			if why, err = r.examine(v, p, rec); err != nil {
				return err
			}
		}
		if why != "" {
			r.ends[id] = at
			return r.endOf(v, p, at, why)
		}
		if err := r.accept(v, p, rec); err != nil {
			return err
		}
	}
}

// proofOf reads what is known of a file from offset on.
func (r *recovery) proofOf(v *valueFile, offset int64) (*proof, error) {
	p := &proof{}
	if !r.own {
		return p, nil
	}
	if v.id == r.dur.file {
		p.end = r.dur.offset
		if offset >= r.dur.offset {
			p.first = r.dur.sideCount
		}
	}
	var err error
	if p.found, p.whole, err = v.side.load(p.first); err != nil {
		return nil, err
	}
	for _, e := range p.found {
		if !e.intent {
			p.end = max(p.end, e.end())
		}
	}
	return p, nil
}

// examine returns why a record cannot be taken for whole, "" if it can, and
// an error if it is damaged.
func (r *recovery) examine(v *valueFile, p *proof, rec Record) (string, error) {
	if rec.Instance > instanceMax && len(rec.Data) != minChosenBytes {
		return fmt.Sprintf("instance %d is impossible", rec.Instance), nil
	}
	if e, ok := p.lookup(rec.Offset); ok {
		if !e.matches(rec.Instance, rec.Data) {
			if e.intent {
				return fmt.Sprintf("instance %d is not what was announced", rec.Instance), nil
			}
			// It was durable when the entry was written, so it is not torn.
			return "", r.g.damaged(v.id, rec.Offset, "instance %d does not match its CRC-32C", rec.Instance)
		}
	} else if rec.Instance <= instanceMax {
		if !r.g.opts.Valid(rec.Instance, rec.Data) {
			return fmt.Sprintf("instance %d is not whole", rec.Instance), nil
		}
		if r.ours(v, rec.Offset) && hasZeroSector(rec.Offset, appendRecord(nil, rec.Instance, rec.Data)) {
			return fmt.Sprintf("instance %d lacks a sector", rec.Instance), nil // else it would have been announced
		}
	}
	if rec.Instance <= instanceMax && r.last.some && rec.Instance < r.last.instance {
		return "", r.g.damaged(v.id, rec.Offset, "instance %d comes after %d", rec.Instance, r.last.instance)
	}
	return "", nil
}

// ours reports whether a record lies behind the note's position and was
// written by this library.
func (r *recovery) ours(v *valueFile, offset int64) bool {
	return r.own && (v.id > r.dur.file || v.id == r.dur.file && offset >= r.dur.offset)
}

// accept takes a whole record into the index. What old versions of the
// original kept under a reserved number is passed over.
func (r *recovery) accept(v *valueFile, p *proof, rec Record) error {
	if rec.Instance > instanceMax {
		return nil
	}
	r.last = tailOf(v.id, rec)
	if r.ours(v, rec.Offset) {
		p.scanned = append(p.scanned, entry{
			offset: rec.Offset, length: int32(keyBytes + len(rec.Data)), instance: rec.Instance,
			sampled: r.last.loc.crc, full: r.last.crc,
		})
	}
	r.ops = append(r.ops, indexOp{key: rec.Instance, loc: r.last.loc})
	if len(r.ops) >= r.g.opts.FlushEntries {
		return r.applyOps()
	}
	return nil
}

func (r *recovery) applyOps() error {
	err := r.g.index.apply(r.ops, false)
	r.ops = r.ops[:0]
	return err
}

// endOf decides what the end of the records in a file is: the end of the
// data, a torn tail, or damage.
//
//	a record behind it was durable (p.end)        damage
//	only zeros follow                             the end
//	our own file, not the current one             damage: it was synced before the next was begun
//	our own, current                              torn: nothing behind it was ever promised
//	somebody else's, a whole record follows       damage
//	somebody else's, none follows                 torn
func (r *recovery) endOf(v *valueFile, p *proof, at int64, why string) error {
	if at < p.end {
		return r.g.damaged(v.id, at, "%s, but records up to offset %d were durable", why, p.end)
	}
	if r.own && v.id == r.meta {
		return nil
	}
	zero, err := zeroFrom(v.f, v.size, at)
	if err != nil || zero {
		return err
	}
	if r.own {
		return r.g.damaged(v.id, at, "%s, and more than zeros follow in a file that was finished", why)
	}
	next, err := validAfter(v.f, v.size, at, r.last.instance, r.g.opts.Valid)
	if err != nil {
		return err
	}
	if next >= 0 {
		return r.g.damaged(v.id, at, "%s, and a record follows at offset %d", why, next)
	}
	r.cuts[v.id] = true
	return nil
}

// settle cuts torn tails off, makes what is left durable, and sets the group
// up.
func (r *recovery) settle() error {
	g := r.g
	end := r.ends[r.meta]
	clean := r.own && r.dur.clean && r.dur.file == r.meta && end == r.dur.offset && g.cur.size >= g.opts.FileBytesMax
	zeroed := end
	if clean {
		zeroed = r.dur.zeroed
	} else {
		if err := r.settleFiles(end); err != nil {
			return err
		}
		if err := r.settleSidecars(); err != nil {
			return err
		}
	}
	if err := r.dropDangling(); err != nil {
		return err
	}
	if err := g.index.sync(); err != nil {
		return err
	}
	count, err := g.cur.side.below(end)
	if err != nil {
		return err
	}
	if err := r.syncLog(); err != nil {
		return err
	}
	if g.max, g.hasMax, err = highest(g.index); err != nil {
		return err
	}
	g.end, g.last = end, r.last
	g.zeroed.Store(max(zeroed, end))
	if err := g.opts.FS.SyncDir(g.dir); err != nil {
		return err
	}
	return g.note(durable{file: g.cur.id, offset: end, zeroed: zeroed, sideCount: count, last: r.last})
}

// settleFiles writes the scanned part of the current file once more, cuts
// what follows, and syncs. Writing again is for a store that is reopened
// after a failed sync: the cache then shows records that the disk does not
// have, and would not write them by itself.
func (r *recovery) settleFiles(end int64) error {
	g := r.g
	for id := range r.ends {
		if id == r.meta || !r.cuts[id] {
			continue
		}
		v, err := g.files.acquire(id)
		if err != nil {
			return err
		}
		err = cutFile(v, r.ends[id], r.ends[id])
		g.files.release(v)
		if err != nil {
			return err
		}
	}
	from := int64(0)
	if r.from.file == r.meta {
		from = r.from.offset
	}
	if r.own && r.dur.file == r.meta {
		from = max(from, r.dur.offset)
	}
	buf := make([]byte, min(scanWindow, end-min(from, end)))
	for at := from; at < end; {
		p := buf[:min(int64(len(buf)), end-at)]
		if _, err := g.cur.f.ReadAt(p, at); err != nil {
			return err
		}
		if _, err := g.cur.f.WriteAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	return cutFile(g.cur, end, max(g.opts.FileBytesMax, g.cur.size))
}

// settleSidecars makes the checksums of our own scanned records complete and
// removes every other trace behind them: intents, torn entries. They are the
// only proof there is, so they are replaced in one step.
func (r *recovery) settleSidecars() error {
	for _, id := range r.ids {
		p := r.proofs[id]
		if p == nil || !r.own || id < r.dur.file || id == r.dur.file && r.from != (place{id, r.dur.offset}) {
			continue
		}
		v, err := r.g.files.acquire(id)
		if err != nil {
			return err
		}
		err = p.settle(v.side)
		r.g.files.release(v)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *proof) settle(side *sidecar) error {
	n := len(p.found)
	if p.whole && n <= len(p.scanned) && slices.Equal(p.found, p.scanned[:n]) {
		if err := side.rewind(p.first + int64(n)); err != nil {
			return err
		}
		return side.extend(p.first, p.scanned)
	}
	return side.replaceFrom(p.first, p.scanned)
}

// dropDangling removes index entries of records that did not survive. They
// are the highest ones: instances never go down. One whose older record is
// the last that was durable points to that again.
func (r *recovery) dropDangling() error {
	g := r.g
	var ops []indexOp
	err := g.index.descend(func(instance uint64, loc location, ok bool) bool {
		end, scanned := r.ends[int(loc.file)]
		if ok && int(loc.file) <= r.meta && !(scanned && int64(loc.offset) >= end) {
			return false
		}
		op := indexOp{key: instance, gone: true}
		if r.prev.some && r.prev.instance == instance && r.dur.indexed {
			op = indexOp{key: instance, loc: r.prev.loc}
		}
		ops = append(ops, op)
		g.opts.observe(event.Event{Kind: event.IndexNotFound, Group: g.id, Instance: instance,
			Err: fmt.Errorf("its record was never durable and is gone")})
		return true
	})
	if err != nil || len(ops) == 0 {
		return err
	}
	slices.Reverse(ops)
	return g.index.apply(ops, false)
}

// syncLog makes the size of the original's event log durable, by which a
// later open sees whether the original was here.
func (r *recovery) syncLog() error {
	if r.own || r.g.logSize == 0 {
		return nil
	}
	f, err := r.g.opts.FS.Open(r.g.logPath(), storage.ReadWrite)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
