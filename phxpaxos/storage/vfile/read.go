package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Read implements storage.LogStorage. Both checksums are verified: the
// original's, which covers every 8th byte, and the sidecar's, which covers
// all, if this library wrote the record.
func (s *Store) Read(group int, instance uint64, buf []byte) ([]byte, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	loc, v, err := g.pin(instance)
	if err != nil {
		return nil, err
	}
	defer g.files.release(v)
	data, err := g.readRecord(v, loc, instance, buf)
	if err != nil {
		kind := event.RecordReadFail
		if errors.Is(err, storage.ErrDamaged) {
			kind = event.RecordDamaged
		}
		g.opts.observe(event.Event{Kind: kind, Group: group, Instance: instance, Err: err})
		return nil, err
	}
	return data, nil
}

// pin finds an instance and keeps its file open.
func (g *group) pin(instance uint64) (location, *valueFile, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	loc, err := g.find(instance)
	if err != nil {
		return loc, nil, err
	}
	v, err := g.files.acquire(int(loc.file))
	if errors.Is(err, fs.ErrNotExist) {
		err = g.damaged(int(loc.file), int64(loc.offset), "the file that holds instance %d is missing", instance)
	}
	return loc, v, err
}

// readRecord reads and verifies the record at loc and returns its data in
// buf.
func (g *group) readRecord(v *valueFile, loc location, instance uint64, buf []byte) ([]byte, error) {
	offset := int64(loc.offset)
	bad := func(format string, args ...any) error {
		return g.damaged(v.id, offset, "instance %d: %s", instance, fmt.Sprintf(format, args...))
	}
	full := func(p []byte, at int64) error {
		_, err := v.f.ReadAt(p, at)
		if errors.Is(err, io.EOF) {
			return bad("the file ends within it")
		}
		return err
	}
	buf = slices.Grow(buf[:0], headBytes)[:headBytes]
	if err := full(buf, offset); err != nil {
		return nil, err
	}
	length := int32(binary.LittleEndian.Uint32(buf))
	if length < keyBytes || int64(length) > v.size-offset-lengthBytes {
		return nil, bad("length %d is impossible", length)
	}
	if found := binary.LittleEndian.Uint64(buf[lengthBytes:]); found != instance {
		return nil, bad("found instance %d", found)
	}
	n := int(length - keyBytes)
	buf = slices.Grow(buf[:0], n)[:n]
	if err := full(buf, offset+headBytes); err != nil {
		return nil, err
	}
	if crc := sampledCRC(instance, buf); crc != loc.crc {
		return nil, bad("checksum is %08x, the index has %08x", crc, loc.crc)
	}
	e, ok, err := v.side.lookup(offset)
	if err != nil {
		return nil, err
	}
	// An entry with another sampled checksum than the index has is about a
	// record that the original has written over; it says nothing.
	if ok && e.sampled == loc.crc {
		if !e.matches(instance, buf) {
			return nil, bad("it does not match its CRC-32C in %s", path.Base(v.side.name))
		}
	} else if instance <= instanceMax && !g.opts.Valid(instance, buf) {
		return nil, bad("it is not a whole record")
	}
	return buf, nil
}

// Max implements storage.LogStorage.
func (s *Store) Max(group int) (uint64, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	g.mu.RLock()
	defer g.mu.RUnlock()
	switch {
	case g.broken != nil:
		return 0, g.broken
	case !g.hasMax || g.max < g.floor:
		return 0, storage.ErrNotFound
	}
	return g.max, nil
}

// variableKey returns the key of a variable.
func variableKey(name storage.Variable) (uint64, error) {
	switch name {
	case storage.MinChosen:
		return keyMinChosen, nil
	case storage.SystemVariables:
		return keySystemVariables, nil
	case storage.MasterVariables:
		return keyMasterVariables, nil
	}
	return 0, fmt.Errorf("variable %d: %w", name, storage.ErrNotFound)
}

// minChosenBytes is how long the variable is.
const minChosenBytes = 8

// SetVariable implements storage.LogStorage. MinChosen must be 8 bytes, the
// others must not be empty.
func (s *Store) SetVariable(group int, name storage.Variable, value []byte) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	key, err := variableKey(name)
	if err != nil {
		return err
	}
	if len(value) == 0 || name == storage.MinChosen && len(value) != minChosenBytes {
		return fmt.Errorf("variable %d of %d bytes: %w", name, len(value), storage.ErrRecord)
	}
	g.imu.Lock()
	defer g.imu.Unlock()
	if err := g.unusable(); err != nil {
		return err
	}
	if err := g.index.set(key, value); err != nil {
		g.opts.observe(event.Event{Kind: event.IndexWriteFail, Group: group, Err: err})
		return g.fail(err)
	}
	return nil
}

// Variable implements storage.LogStorage.
func (s *Store) Variable(group int, name storage.Variable) ([]byte, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	key, err := variableKey(name)
	if err != nil {
		return nil, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.broken != nil {
		return nil, g.broken
	}
	return g.variable(key)
}

// variable reads a variable; the caller keeps the index open.
func (g *group) variable(key uint64) ([]byte, error) {
	value, err := g.index.get(key)
	if errors.Is(err, errAbsent) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if key == keyMinChosen {
		return g.minChosen(value)
	}
	return slices.Clone(value), nil
}

// minChosen reads the value of the key: the number itself, or in directories
// of old the place of a record that holds it (spec/storage-api.md section
// 2.2).
func (g *group) minChosen(value []byte) ([]byte, error) {
	if loc, ok := decodeLocation(value); ok {
		v, err := g.files.acquire(int(loc.file))
		if err != nil {
			return nil, fmt.Errorf("min chosen instance: %w", err)
		}
		defer g.files.release(v)
		if value, err = g.readRecord(v, loc, keyMinChosen, nil); err != nil {
			return nil, err
		}
	}
	if len(value) != minChosenBytes {
		return nil, fmt.Errorf("index of %s: min chosen instance has %d bytes: %w", g.path, len(value), storage.ErrDamaged)
	}
	return slices.Clone(value), nil
}
