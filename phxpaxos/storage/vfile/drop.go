package vfile

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Drop implements storage.LogStorage; when it returns it is durable. The
// newest instance of the log leaves the value file as well, so that an
// original node does not find it there again (spec/storage-api.md section
// 2.8); of any other only the index forgets. It takes long and blocks
// writers: it is meant for tools.
func (s *Store) Drop(group int, instance uint64) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	g.wmu.Lock()
	defer g.wmu.Unlock()
	g.imu.Lock()
	defer g.imu.Unlock()
	if err := g.unusable(); err != nil {
		return err
	}
	g.mu.RLock()
	loc, err := g.find(instance)
	g.mu.RUnlock()
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil && !errors.Is(err, storage.ErrDamaged) {
		return err
	}
	if err := g.drop(instance, loc); err != nil {
		return g.fail(err)
	}
	return nil
}

func (g *group) drop(instance uint64, loc location) error {
	if err := g.checkpointLocked(false); err != nil {
		return err
	}
	if g.last.instance == instance && int(loc.file) == g.cur.id {
		if err := g.cutLast(instance); err != nil {
			return err
		}
	} else if d := g.noted; d.last.some && d.last.instance == instance {
		d.indexed = false // see note
		if err := g.writeNote(d); err != nil {
			return err
		}
	}
	g.ops = append(g.ops[:0], indexOp{key: instance, gone: true})
	if err := g.applyOps(false); err != nil {
		return err
	}
	if err := g.checkpointLocked(false); err != nil {
		return err
	}
	max, some, err := highest(g.index)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.max, g.hasMax = max, some
	g.mu.Unlock()
	return nil
}

// cutLast removes the records of the newest instance from the current file.
// The note says so first: from then on a crash leads to their end, before
// that it changes nothing.
func (g *group) cutLast(instance uint64) error {
	cut, last, err := g.lastBefore(instance)
	if err != nil {
		return err
	}
	count, err := g.cur.side.below(cut)
	if err != nil {
		return err
	}
	d := durable{file: g.cur.id, offset: cut, sideCount: count, last: last, cutting: true}
	d.indexed = last.some && last.instance != instance
	if d.indexed {
		if _, _, err := locate(g.index, last.instance); err != nil {
			d.indexed = false
		}
	}
	if err := g.writeNote(d); err != nil {
		return err
	}
	g.zmu.Lock()
	defer g.zmu.Unlock()
	if err := cutBehind(g.cur, d, g.cur.size); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end, g.last = cut, last
	g.zeroed.Store(cut)
	return nil
}

// cutBehind removes records and checksums behind a note's position.
func cutBehind(v *valueFile, d durable, size int64) error {
	if err := cutFile(v, d.offset, size); err != nil {
		return err
	}
	return v.side.rewind(d.sideCount)
}

// lastBefore finds where the records of the newest instance begin in the
// current file, and the record in front of them, if need be in the file
// before.
func (g *group) lastBefore(instance uint64) (cut int64, last tail, err error) {
	sc := NewScanner(g.cur.f, g.end, 0)
	for {
		cut = sc.Offset()
		rec, err := sc.Next()
		if err != nil {
			return 0, last, fmt.Errorf("find instance %d in %s: %w", instance, valueName(g.cur.id), err)
		}
		if rec.Instance == instance {
			break
		}
		last = tailOf(g.cur.id, rec)
	}
	if last.some || g.cur.id == g.oldest {
		return cut, last, nil
	}
	v, err := g.files.acquire(g.cur.id - 1)
	if errors.Is(err, fs.ErrNotExist) {
		return cut, last, nil
	}
	if err != nil {
		return 0, last, err
	}
	defer g.files.release(v)
	for sc := NewScanner(v.f, v.size, 0); ; {
		rec, err := sc.Next()
		if err != nil {
			return cut, last, nil // its end
		}
		last = tailOf(v.id, rec)
	}
}

func tailOf(file int, rec Record) tail {
	return tail{
		some:     true,
		instance: rec.Instance,
		loc:      location{file: int32(file), offset: int32(rec.Offset), crc: rec.SampledCRC()},
		crc:      fullCRC(rec.Instance, rec.Data),
	}
}

// cutFile makes everything from offset end on zero, and the file size bytes
// long, durably. Only recovery changes the size, while nobody reads.
func cutFile(v *valueFile, end, size int64) error {
	if err := v.f.Truncate(end); err != nil {
		return fmt.Errorf("truncate %s: %w", valueName(v.id), err)
	}
	if err := v.f.Truncate(size); err != nil {
		return fmt.Errorf("extend %s: %w", valueName(v.id), err)
	}
	if v.size != size {
		v.size = size
	}
	if err := v.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", valueName(v.id), err)
	}
	return nil
}
