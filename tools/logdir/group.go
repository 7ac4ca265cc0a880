package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// Group is the log of one group as a node would find it, open for reading.
// It is for one goroutine at a time.
type Group struct {
	path   string
	lock   io.Closer
	index  *Index
	survey *Survey
}

// Open opens the log of a group of a storage directory. It creates nothing
// and changes nothing. Errors match ErrNoGroup, storage.ErrInUse,
// storage.ErrDamaged or storage.ErrNewerFormat, or come from the system. It blocks on the disk.
func Open(dir string, group int) (*Group, error) {
	g := &Group{path: GroupDir(dir, group)}
	if err := exists(g.path); err != nil {
		return nil, err
	}
	var err error
	if g.lock, err = Lock(g.path); err != nil {
		return nil, err
	}
	if g.survey, err = ReadSurvey(g.path); err == nil {
		g.index, err = OpenIndex(g.path)
	}
	if err != nil {
		g.lock.Close()
		return nil, fmt.Errorf("%s: %w", g.path, err)
	}
	return g, nil
}

// Close releases the directory.
func (g *Group) Close() error { return errors.Join(g.index.Close(), g.lock.Close()) }

// Max returns the highest instance that has a record, or storage.ErrNotFound.
func (g *Group) Max() (uint64, error) {
	tail, err := g.readTail(nil)
	if err != nil {
		return 0, err
	}
	highest, some := tail.last, tail.some
	c := g.index.Descend()
	defer c.Close()
	for ; c.Valid; c.Next() {
		if some && c.Instance <= highest {
			break
		}
		if c.OK && !tail.gone(c.At) {
			highest, some = c.Instance, true
			break
		}
	}
	if err := c.Err(); err != nil {
		return 0, err
	}
	if !some {
		return 0, storage.ErrNotFound
	}
	return highest, nil
}

// Find returns where the newest record of an instance lies, or
// storage.ErrNotFound.
func (g *Group) Find(instance uint64) (Location, error) {
	if instance > InstanceMax {
		return Location{}, storage.ErrNotFound
	}
	tail, err := g.readTail(&instance)
	if err != nil || tail.found {
		return tail.at, err
	}
	loc, err := g.index.Locate(instance)
	if err == nil && (tail.gone(loc) || loc.File < g.survey.Oldest()) {
		err = storage.ErrNotFound
	}
	return loc, err
}

// Read returns the newest record of an instance. It matches
// storage.ErrNotFound if there is none and storage.ErrDamaged if its bytes are
// not what was written.
func (g *Group) Read(instance uint64) ([]byte, error) {
	loc, err := g.Find(instance)
	if err != nil {
		return nil, err
	}
	rec, err := g.recordAt(loc, instance)
	return rec.Data, err
}

// recordAt reads and verifies the record at loc.
func (g *Group) recordAt(loc Location, instance uint64) (rec vfile.Record, err error) {
	bad := func(err error, format string, args ...any) error {
		return fmt.Errorf("%s offset %d: instance %d: %s: %w",
			filepath.Join(g.path, ValueName(loc.File)), loc.Offset, instance, fmt.Sprintf(format, args...), err)
	}
	f, err := OpenFile(g.path, loc.File)
	if errors.Is(err, fs.ErrNotExist) {
		return rec, bad(storage.ErrDamaged, "the file is missing")
	}
	if err != nil {
		return rec, err
	}
	defer f.Close()
	rec, err = f.Records(loc.Offset).Next()
	if err != nil {
		return rec, bad(storage.ErrDamaged, "%v", err)
	}
	rec.Data = slices.Clone(rec.Data)
	if rec.Instance != instance {
		return rec, bad(storage.ErrDamaged, "found instance %d", rec.Instance)
	}
	if crc := rec.SampledCRC(); crc != loc.CRC {
		return rec, bad(storage.ErrDamaged, "checksum is %08x, the index has %08x", crc, loc.CRC)
	}
	if !g.survey.Trusted(loc.File) {
		return rec, nil
	}
	sums, err := OpenChecksums(g.path, loc.File)
	if err != nil {
		return rec, err
	}
	defer sums.Close()
	if c, ok := sums.For(loc.Offset); ok && c.Sampled == loc.CRC && !c.Matches(rec) {
		return rec, bad(storage.ErrDamaged, "it does not match its CRC-32C in %s", SidecarName(loc.File))
	}
	return rec, sums.Err()
}

// Variable returns a variable, or storage.ErrNotFound.
func (g *Group) Variable(name storage.Variable) ([]byte, error) {
	value, err := g.index.Variable(name)
	if err != nil || name != storage.MinChosen {
		return value, err
	}
	return ReadMinChosen(value, func(loc Location) ([]byte, error) {
		rec, err := g.recordAt(loc, keyMinChosen)
		return rec.Data, err
	})
}

// ReadMinChosen returns the 8 bytes of the variable MinChosen from what the
// index has under its key: the number itself, or in directories of old the
// place of a record that holds it, which read is to fetch.
func ReadMinChosen(value []byte, read func(Location) ([]byte, error)) ([]byte, error) {
	if loc, ok := DecodeLocation(value); ok {
		var err error
		if value, err = read(loc); err != nil {
			return nil, fmt.Errorf("min chosen instance: %w", err)
		}
	}
	if len(value) != 8 {
		return nil, fmt.Errorf("index: min chosen instance has %d bytes, want 8: %w", len(value), storage.ErrDamaged)
	}
	return value, nil
}

// MinChosen decodes the variable of that name.
func MinChosen(value []byte) uint64 { return binary.LittleEndian.Uint64(value) }

// CurrentFileBytes is the size of the current value file, 0 if it is missing.
func (g *Group) CurrentFileBytes() (int64, error) {
	f, err := OpenFile(g.path, g.survey.Current())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size, nil
}
