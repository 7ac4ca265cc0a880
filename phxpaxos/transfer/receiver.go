package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// ErrBlock: a block does not fit to what came before, or exceeds a limit.
var ErrBlock = errors.New("checkpoint block does not fit")

// tempPrefix begins the names of temporary directories; the original's.
const tempPrefix = "cp_tmp_"

// A broken sender must not fill memory with names, or the disk for ever.
const (
	filesMax = 1 << 20
	bytesMax = 1 << 44
)

// Receiver collects the files of one transfer.
type Receiver struct {
	fs  storage.FS
	dir string

	parts []Part
	open  storage.File
	name  string // of open, relative to dir
	end   int64  // of open
	files int
	bytes int64
	made  map[string]bool // directories
	dirs  []string        // the same, in the order of their making
}

// Begin empties the temporary directories below dir.
func Begin(fs storage.FS, dir string) (*Receiver, error) {
	if dir == "" {
		return nil, errors.New("log storage has no directory for the files of a checkpoint")
	}
	r := &Receiver{fs: fs, dir: dir, made: map[string]bool{}}
	return r, Discard(fs, dir)
}

// Discard removes what transfers have left below dir.
func Discard(fsys storage.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, tempPrefix) {
			if err := fsys.RemoveAll(path.Join(dir, e.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Write appends a block to its file. The files of a transfer come one after
// the other. Errors match ErrName or ErrBlock, or are the file system's.
func (r *Receiver) Write(c *wire.Checkpoint) error {
	name, err := Name(c.Path)
	if err != nil {
		return err
	}
	part, err := r.part(c)
	if err != nil {
		return err
	}
	full := path.Join(r.tempDir(c.SM), name)
	if r.open == nil || r.name != full {
		if err := r.next(full, c.Offset); err != nil {
			return err
		}
		part.Snapshot.Files = append(part.Snapshot.Files, name)
	}
	if c.Offset != uint64(r.end) {
		return fmt.Errorf("%w: %.80q ends at %d, the block is for offset %d", ErrBlock, name, r.end, c.Offset)
	}
	if r.bytes += int64(len(c.Data)); r.bytes > bytesMax {
		return fmt.Errorf("%w: more than %d bytes in all", ErrBlock, int64(bytesMax))
	}
	if len(c.Data) > 0 {
		if _, err := r.open.WriteAt(c.Data, r.end); err != nil {
			return err
		}
	}
	r.end += int64(len(c.Data))
	return nil
}

func (r *Receiver) tempDir(id sm.ID) string {
	return path.Join(r.dir, fmt.Sprintf("%s%d", tempPrefix, id))
}

// part is what is known of a block's state machine.
func (r *Receiver) part(c *wire.Checkpoint) (*Part, error) {
	for i := range r.parts {
		p := &r.parts[i]
		if p.SM != c.SM {
			continue
		}
		if p.Snapshot.Instance != c.Instance {
			return nil, fmt.Errorf("%w: state machine %d is at instance %d and at %d", ErrBlock, c.SM, p.Snapshot.Instance, c.Instance)
		}
		return p, nil
	}
	r.parts = append(r.parts, Part{c.SM, sm.Snapshot{Instance: c.Instance, Dir: r.tempDir(c.SM)}})
	return &r.parts[len(r.parts)-1], nil
}

// next ends the file before and makes the next one.
func (r *Receiver) next(full string, offset uint64) error {
	if err := r.finish(); err != nil {
		return err
	}
	if offset != 0 {
		return fmt.Errorf("%w: %.80q begins with offset %d", ErrBlock, full, offset)
	}
	if r.files++; r.files > filesMax {
		return fmt.Errorf("%w: more than %d files", ErrBlock, filesMax)
	}
	if err := r.mkdir(path.Dir(full)); err != nil {
		return err
	}
	f, err := r.fs.Open(full, storage.ReadWrite|storage.Create|storage.Exclusive)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %.80q comes twice", ErrBlock, full)
	}
	if err != nil {
		return err
	}
	r.open, r.name, r.end = f, full, 0
	return nil
}

func (r *Receiver) mkdir(dir string) error {
	if r.made[dir] {
		return nil
	}
	if err := r.fs.MkdirAll(dir); err != nil {
		return err
	}
	r.made[dir] = true
	r.dirs = append(r.dirs, dir)
	return nil
}

// finish makes the open file durable and closes it.
func (r *Receiver) finish() error {
	if r.open == nil {
		return nil
	}
	f := r.open
	r.open = nil
	return errors.Join(f.Sync(), f.Close())
}

// Finish makes everything durable and returns the snapshots that came, in the
// order in which their first blocks came. Their Release is nil.
func (r *Receiver) Finish() ([]Part, error) {
	if err := r.finish(); err != nil {
		return nil, err
	}
	for _, dir := range slices.Backward(r.dirs) {
		if err := r.fs.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	return r.parts, nil
}

// Bytes is how many came.
func (r *Receiver) Bytes() int64 { return r.bytes }

// Close gives up open files; what is on the disk stays for Discard.
func (r *Receiver) Close() error {
	if r.open == nil {
		return nil
	}
	f := r.open
	r.open = nil
	return f.Close()
}
