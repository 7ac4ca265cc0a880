package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// recovery brings a group up from what is on disk. Nobody else uses the group
// meanwhile. doc.go has the rules in words.
type recovery struct {
	g    *group
	ids  []int // value files, ascending
	meta int   // the current one

	// own says that nobody has opened the directory since the note dur was
	// written: what lies in front of its position is whole, and what lies
	// behind it was written by this library.
	dur   durable
	found bool
	own   bool

	from     place // scanning begins here
	prev     tail  // the record in front of the note's position, if own
	last     tail  // the newest record so far
	ends     map[int]int64
	cuts     map[int]bool // files that hold something behind their end
	proofs   map[int]*proof
	ops      []indexOp
	indexMax uint64
	hasIndex bool
}

type place struct {
	file   int
	offset int64
}

// recover opens index and files, brings both into agreement, and makes that
// durable.
func (g *group) recover() error {
	r := &recovery{g: g, ends: map[int]int64{}, cuts: map[int]bool{}, proofs: map[int]*proof{}}
	if err := checkNote(g.opts.FS, g.dir); err != nil {
		return err
	}
	if err := g.openIndex(); err != nil {
		return err
	}
	g.files = newFileSet(g.opts.FS, g.dir)
	for _, step := range []func() error{r.survey, r.current, r.start, r.scan, r.settle} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// survey finds out what there is.
func (r *recovery) survey() error {
	g := r.g
	fsys := g.opts.FS
	list, err := fsys.ReadDir(g.dir)
	if err != nil {
		return err
	}
	sidecars := map[int]bool{}
	g.logSize = 0
	for _, e := range list {
		if id, ok := fileNumber(e.Name, ".f"); ok {
			r.ids = append(r.ids, id)
		}
		if id, ok := fileNumber(e.Name, ".crc"); ok {
			sidecars[id] = true
		}
		if e.Name == path.Base(g.logPath()) {
			g.logSize = e.Size
		}
	}
	sort.Ints(r.ids)
	if g.durable, r.dur, r.found, err = openDurable(fsys, g.dir); err != nil {
		return err
	}
	r.own = r.found && r.dur.logSize == g.logSize
	if err := r.readMeta(); err != nil {
		return err
	}
	if r.indexMax, r.hasIndex, err = highest(g.index); err != nil {
		return err
	}
	return r.dropSidecars(sidecars)
}

// readMeta finds the current file. A meta that cannot be read is what a crash
// leaves of one that was being written: the files themselves tell as much.
func (r *recovery) readMeta() error {
	g := r.g
	meta, ok, err := readMeta(g.opts.FS, g.dir)
	if err != nil {
		return fmt.Errorf("read meta: %w", err)
	}
	highest := -1
	if len(r.ids) > 0 {
		highest = r.ids[len(r.ids)-1]
	}
	if !ok {
		meta = max(highest, 0)
		g.opts.observe(event.Event{Kind: event.RecordDamaged, Group: g.id, Number: uint64(meta),
			Err: fmt.Errorf("%s/meta cannot be read, file %d is taken as the current one", g.dir, meta)})
		if err := writeMeta(g.opts.FS, g.dir, meta); err != nil {
			return fmt.Errorf("write meta: %w", err)
		}
	}
	r.meta = meta
	if highest > meta {
		return fmt.Errorf("%s/meta names file %d, but there is file %d: %w", g.dir, meta, highest, storage.ErrDamaged)
	}
	if r.own && meta < r.dur.file {
		return fmt.Errorf("%s/meta names file %d, but file %d was in use: %w", g.dir, meta, r.dur.file, storage.ErrDamaged)
	}
	return r.checkGaps(highest)
}

// missing says that a value file is not there.
func (r *recovery) missing(id int) error {
	return fmt.Errorf("%s is missing: %w", path.Join(r.g.dir, valueName(id)), storage.ErrDamaged)
}

// checkGaps makes sure that the newest files are there, except for one that
// was about to be made.
func (r *recovery) checkGaps(highest int) error {
	if highest < r.meta-1 {
		return r.missing(r.meta - 1)
	}
	if r.own && highest < r.dur.file {
		return r.missing(r.dur.file)
	}
	return nil
}

// dropSidecars removes checksums that may be about other records: those of
// files that are gone, and, when somebody else has opened the directory, of
// the files that he may have written to.
func (r *recovery) dropSidecars(sidecars map[int]bool) error {
	foreign := 0
	if r.own {
		foreign = r.meta + 1
	} else if r.found {
		foreign = r.dur.file
	}
	var doomed []int
	for id := range sidecars {
		if i := sort.SearchInts(r.ids, id); id >= foreign || i == len(r.ids) || r.ids[i] != id {
			doomed = append(doomed, id)
		}
	}
	sort.Ints(doomed)
	for _, id := range doomed {
		if err := checkSidecar(r.g.opts.FS, r.g.dir, id); err != nil {
			return err
		}
	}
	for _, id := range doomed {
		if err := r.g.opts.FS.Remove(path.Join(r.g.dir, sidecarName(id))); err != nil {
			return err
		}
	}
	if len(doomed) > 0 && !r.own {
		return r.g.opts.FS.SyncDir(r.g.dir)
	}
	return nil
}

// current opens the file that records go to, and makes it if a crash came
// between meta and the file.
func (r *recovery) current() error {
	g := r.g
	v, err := g.files.acquire(r.meta)
	if errors.Is(err, fs.ErrNotExist) {
		if r.hasIndex && len(r.ids) == 0 {
			return r.missing(r.meta)
		}
		if err := r.confirmMeta(); err != nil {
			return err
		}
		if v, err = g.files.create(r.meta, g.opts.FileBytesMax); err != nil {
			return err
		}
		r.ids = append(r.ids, r.meta)
	} else if err != nil {
		return err
	}
	g.cur = v
	g.oldest = r.ids[0]
	return nil
}

// confirmMeta makes meta durable before the file that it names is made: what
// was read may be in the cache alone. An empty meta, file 0, stays empty, as
// the original leaves it.
func (r *recovery) confirmMeta() error {
	fsys, dir := r.g.opts.FS, r.g.dir
	if r.meta > 0 {
		return writeMeta(fsys, dir, r.meta)
	}
	f, err := fsys.Open(path.Join(dir, "meta"), storage.ReadWrite|storage.Create)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// start decides where scanning begins.
func (r *recovery) start() error {
	if !r.own {
		return r.startForeign()
	}
	g := r.g
	r.prev, r.last = r.dur.last, r.dur.last
	r.from = place{r.dur.file, r.dur.offset}
	if r.dur.cutting && r.dur.file == r.meta {
		if err := cutBehind(g.cur, r.dur, g.cur.size); err != nil {
			return err
		}
	}
	if r.prev.some && int(r.prev.loc.file) >= g.oldest {
		if err := r.verifyPrev(); err != nil {
			return err
		}
	}
	if r.prev.some && r.dur.indexed {
		_, _, err := locate(g.index, r.prev.instance)
		if errors.Is(err, errAbsent) {
			// The index was durable and is not: somebody emptied it.
			r.startOldest()
		} else if err != nil {
			return err
		}
	}
	return nil
}

// startOldest rebuilds the index from all files that are left.
func (r *recovery) startOldest() {
	r.from = place{r.g.oldest, 0}
	r.prev, r.last = tail{}, tail{}
}

// verifyPrev checks that the last record that was durable still is.
func (r *recovery) verifyPrev() error {
	v, err := r.g.files.acquire(int(r.prev.loc.file))
	if err != nil {
		return err
	}
	defer r.g.files.release(v)
	data, err := r.g.readRecord(v, r.prev.loc, r.prev.instance, nil)
	if err != nil {
		return err
	}
	if crc := fullCRC(r.prev.instance, data); crc != r.prev.crc {
		return r.g.damaged(v.id, int64(r.prev.loc.offset), "instance %d: CRC-32C is %08x, was %08x", r.prev.instance, crc, r.prev.crc)
	}
	return nil
}

// startForeign begins at the newest indexed record that is whole, as the
// original does, but verifies it first. Where the index lacks something that
// the files may have it begins at the oldest file.
func (r *recovery) startForeign() error {
	g := r.g
	r.startOldest()
	if gap, err := r.indexGap(); gap || err != nil {
		return err
	}
	var failed error
	begun := false
	err := g.index.descend(func(instance uint64, loc location, ok bool) bool {
		switch {
		case !ok:
			failed = fmt.Errorf("index of %s: instance %d has no location: %w", g.path, instance, storage.ErrDamaged)
		case int(loc.file) > r.meta:
			failed = fmt.Errorf("index of %s: instance %d is in file %d, meta names %d: %w", g.path, instance, loc.file, r.meta, storage.ErrDamaged)
		case int(loc.file) < g.oldest:
			return false // trimmed, and so is everything below
		default:
			begun, failed = r.trust(instance, loc)
			if begun {
				r.from = place{int(loc.file), int64(loc.offset)}
			}
		}
		return failed == nil && !begun
	})
	if err == nil {
		err = failed
	}
	if err == nil && !begun && r.hasIndex && r.emptyFiles() {
		err = fmt.Errorf("%s: none of the indexed records is there: %w", g.dir, storage.ErrDamaged)
	}
	return err
}

// indexGap reports whether the index may lack what the files have. It is not
// synced with them, and a loss of power can take any part of what was not,
// also from the middle. A note says from where on that is made good; without
// one every instance has to be there.
func (r *recovery) indexGap() (gap bool, err error) {
	g := r.g
	var lowest uint64
	some := false
	err = g.index.descend(func(instance uint64, loc location, ok bool) bool {
		if ok && int(loc.file) < g.oldest {
			return false // trimmed, and so is everything below
		}
		gap = some && instance+1 != lowest
		lowest, some = instance, true
		return !gap
	})
	if err != nil || gap || !some {
		return gap, err
	}
	first, err := g.firstOf(g.oldest)
	if err != nil || !first.known || first.instance >= lowest {
		return false, err
	}
	// Cleaning takes instances from the index before their file goes.
	kept, err := g.variable(keyMinChosen)
	if errors.Is(err, storage.ErrNotFound) {
		return true, nil
	}
	return err == nil && binary.LittleEndian.Uint64(kept) < lowest, err
}

// emptyFiles reports whether the value files hold no record at all.
func (r *recovery) emptyFiles() bool {
	first, err := r.g.firstOf(r.g.oldest)
	return err == nil && !first.known
}

// trust reports whether an indexed record is whole. One that is torn is not;
// one that is neither is damaged.
func (r *recovery) trust(instance uint64, loc location) (bool, error) {
	g := r.g
	v, err := g.files.acquire(int(loc.file))
	if err != nil {
		return false, err
	}
	defer g.files.release(v)
	_, damage := g.readRecord(v, loc, instance, nil)
	if damage == nil {
		return true, nil
	}
	if !errors.Is(damage, storage.ErrDamaged) {
		return false, damage
	}
	rec, err := NewScanner(v.f, v.size, int64(loc.offset)).Next()
	if err != nil {
		return false, nil
	}
	whole := rec.Instance == instance && g.opts.Valid(instance, rec.Data) &&
		!hasZeroSector(rec.Offset, appendRecord(nil, rec.Instance, rec.Data))
	if whole {
		return false, damage
	}
	return false, nil
}
