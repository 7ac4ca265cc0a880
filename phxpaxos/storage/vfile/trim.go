package vfile

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
)

// firstRecord caches which instance a value file begins with.
type firstRecord struct {
	file     int
	instance uint64
	known    bool
}

// Trim implements storage.LogStorage. What lies below is no longer found at
// once; keys leave the index in batches, and a value file is removed when
// every record in it is below. After a crash some of it may be back.
func (s *Store) Trim(group int, below uint64) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	g.mu.Lock()
	if g.broken != nil {
		g.mu.Unlock()
		return g.broken
	}
	if g.last.some {
		// What comes later is not concerned, even if it is below.
		g.floor = max(g.floor, min(below, g.last.instance+1))
	}
	g.mu.Unlock()
	g.wake(s.back)
	return nil
}

// wantsTrim reports whether enough has gathered. The caller holds mu.
func (g *group) wantsTrim() bool {
	below := min(g.floor, g.last.instance)
	if below <= g.trimmed {
		return false
	}
	if below-g.trimmed >= uint64(g.opts.FlushEntries) {
		return true
	}
	known := g.second.known && g.second.file == g.oldest+1
	return g.oldest < g.cur.id && (!known || g.second.instance < g.floor)
}

// trim deletes keys, then files. The caller holds imu.
func (g *group) trim() error {
	if err := g.flush(); err != nil {
		return err
	}
	// The floor is read behind the flush: a record that lowers it after that
	// is in the overlay alone, out of reach of the deletions.
	g.mu.RLock()
	floor, from, oldest, cur := g.floor, g.trimmed, g.oldest, g.cur.id
	g.mu.RUnlock()
	if floor > g.noted.last.instance {
		if err := g.checkpointLocked(false); err != nil {
			return err
		}
	}
	to := min(floor, g.noted.last.instance) // see note
	if err := g.deleteKeys(from, to); err != nil {
		return err
	}
	keep := oldest
	second := firstRecord{}
	for keep < cur {
		var err error
		if second, err = g.firstOf(keep + 1); err != nil {
			return err
		}
		if !second.known || second.instance >= floor {
			break
		}
		keep++
	}
	g.mu.Lock()
	g.trimmed, g.second = to, second
	g.mu.Unlock()
	if keep == oldest {
		return nil
	}
	// Before a file goes, what follows it has to be durable, and so has the
	// index without its keys.
	if err := g.checkpointLocked(false); err != nil {
		return err
	}
	g.mu.Lock()
	g.oldest = keep
	g.mu.Unlock()
	return g.removeFiles(oldest, keep)
}

func (g *group) deleteKeys(from, below uint64) error {
	for {
		ops := g.ops[:0]
		err := g.index.ascend(from, func(key uint64) bool {
			if key >= below || len(ops) == g.opts.FlushEntries {
				return false
			}
			ops = append(ops, indexOp{key: key, gone: true})
			return true
		})
		g.ops = ops
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := g.applyOps(false); err != nil {
			return err
		}
		from = ops[len(ops)-1].key + 1
	}
}

// firstOf reads the instance of a file's first record.
func (g *group) firstOf(file int) (firstRecord, error) {
	g.mu.RLock()
	cached := g.second
	g.mu.RUnlock()
	if cached.known && cached.file == file {
		return cached, nil
	}
	v, err := g.files.acquire(file)
	if err != nil {
		return firstRecord{}, err
	}
	defer g.files.release(v)
	var b [headBytes]byte
	if _, err := v.f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return firstRecord{}, err
	}
	return firstRecord{
		file:     file,
		instance: binary.LittleEndian.Uint64(b[lengthBytes:]),
		known:    binary.LittleEndian.Uint32(b[:]) != 0,
	}, nil
}

// removeFiles removes the value files from … keep-1 and their checksums.
func (g *group) removeFiles(from, keep int) error {
	for id := from; id < keep; id++ {
		g.files.drop(id)
		for _, name := range []string{valueName(id), sidecarName(id)} {
			if err := g.opts.FS.Remove(path.Join(g.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
