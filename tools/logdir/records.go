package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Records calls fn for the newest record of every instance, in their order,
// and verifies each. data is valid until fn returns. It ends at the first
// error, which matches storage.ErrDamaged if a record is not what was
// written. It keeps in memory where the records behind the last checkpoint
// of the index are.
func (g *Group) Records(fn func(instance uint64, data []byte) error) error {
	all := map[uint64]Location{}
	tail, err := g.scanTail(func(instance uint64, at Location) { all[instance] = at })
	if err != nil {
		return err
	}
	behind := make([]uint64, 0, len(all))
	for instance := range all {
		behind = append(behind, instance)
	}
	slices.Sort(behind)
	r := &recordReader{g: g}
	defer r.close()
	give := func(instance uint64, at Location) error {
		data, err := r.read(at, instance)
		if err != nil {
			return err
		}
		return fn(instance, data)
	}
	c := g.index.Ascend(0)
	defer c.Close()
	for ; c.Valid; c.Next() {
		for len(behind) > 0 && behind[0] <= c.Instance {
			if err := give(behind[0], all[behind[0]]); err != nil {
				return err
			}
			behind = behind[1:]
		}
		if _, newer := all[c.Instance]; newer || c.OK && (tail.gone(c.At) || c.At.File < g.survey.Oldest()) {
			continue
		}
		if !c.OK {
			return fmt.Errorf("index of %s: instance %d has no location: %w", g.path, c.Instance, storage.ErrDamaged)
		}
		if err := give(c.Instance, c.At); err != nil {
			return err
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	for _, instance := range behind {
		if err := give(instance, all[instance]); err != nil {
			return err
		}
	}
	return nil
}

// recordReader keeps the file of the last record open.
type recordReader struct {
	g    *Group
	id   int
	file *File
	sums *Checksums
	at   int64 // offset of the last record: checksums are read upwards
}

func (r *recordReader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
	if r.sums != nil {
		r.sums.Close()
		r.sums = nil
	}
}

// turn opens another file.
func (r *recordReader) turn(id int, offset int64) error {
	if r.file != nil && r.id == id && offset >= r.at {
		r.at = offset
		return nil
	}
	r.close()
	file, err := OpenFile(r.g.path, id)
	if err != nil {
		return err
	}
	r.id, r.file, r.at = id, file, offset
	if r.g.survey.Trusted(id) {
		r.sums, err = OpenChecksums(r.g.path, id)
	}
	return err
}

// read reads and verifies the record at loc.
func (r *recordReader) read(loc Location, instance uint64) ([]byte, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s offset %d: instance %d: %s: %w",
			filepath.Join(r.g.path, ValueName(loc.File)), loc.Offset, instance, fmt.Sprintf(format, args...), storage.ErrDamaged)
	}
	err := r.turn(loc.File, loc.Offset)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bad("the file is missing")
	}
	if err != nil {
		return nil, err
	}
	rec, err := r.file.Records(loc.Offset).Next()
	if err != nil {
		return nil, bad("%v", err)
	}
	if rec.Instance != instance {
		return nil, bad("found instance %d", rec.Instance)
	}
	if crc := rec.SampledCRC(); crc != loc.CRC {
		return nil, bad("checksum is %08x, the index has %08x", crc, loc.CRC)
	}
	if r.sums == nil {
		return rec.Data, nil
	}
	if c, ok := r.sums.For(loc.Offset); ok && c.Sampled == loc.CRC && !c.Matches(rec) {
		return nil, bad("it does not match its CRC-32C in %s", SidecarName(loc.File))
	}
	return rec.Data, r.sums.Err()
}
