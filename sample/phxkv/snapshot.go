package phxkv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// A snapshot is one file: a magic, then for each key of the database
//
//	uvarint length, key, uvarint length, value
//
// then a length of 0, and the CRC-32C of everything before it, 4 bytes
// little-endian. A file of our own can be copied while the database goes on,
// and does not depend on how goleveldb names its files.
const (
	snapshotMagic = "phxkv snapshot 1\n"
	snapshotFile  = "state"
	// recordBytesMax is more than the largest value that paxos takes; longer
	// ones are damage.
	recordBytesMax = 64 << 20
	// loadBatchBytes is how much is put into the new database at once.
	loadBatchBytes = 1 << 20
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// ErrSnapshot is matched by errors about a snapshot that cannot be loaded,
// since it is damaged or another group's.
var ErrSnapshot = errors.New("not a snapshot of this group")

// Snapshot writes the state of a group to a file while execution goes on.
func (m *Machine) Snapshot(group int) (sm.Snapshot, error) {
	s := m.stores[group]
	if err := s.flush(); err != nil {
		return sm.Snapshot{}, err
	}
	// Between two flushes place and database belong together.
	s.flushing.Lock()
	frozen, err := s.db.GetSnapshot()
	at := s.durable
	s.snapshots++
	dir := fmt.Sprintf("%s-%d%s", s.dir, s.snapshots, forSending)
	s.flushing.Unlock()
	if err != nil {
		return sm.Snapshot{}, fmt.Errorf("%s: %w", s.dir, err)
	}
	defer frozen.Release()
	if at.next == 0 {
		return sm.Snapshot{}, fmt.Errorf("%s: nothing was executed yet", s.dir)
	}
	remove := func() { _ = os.RemoveAll(dir) } // what is left goes at the next start
	if err := os.Mkdir(dir, 0o775); err != nil {
		return sm.Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	if err := writeSnapshot(filepath.Join(dir, snapshotFile), frozen); err != nil {
		remove()
		return sm.Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	return sm.Snapshot{Instance: at.next - 1, Dir: dir, Files: []string{snapshotFile}, Release: remove}, nil
}

func writeSnapshot(path string, from *leveldb.Snapshot) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 256<<10)
	sum := crc32.New(crcTable)
	w := io.MultiWriter(buffered, sum)
	io.WriteString(w, snapshotMagic) // errors stay in the buffer and come out of Flush
	rows := from.NewIterator(nil, nil)
	defer rows.Release()
	for rows.Next() {
		for _, b := range [][]byte{rows.Key(), rows.Value()} {
			w.Write(binary.AppendUvarint(nil, uint64(len(b))))
			w.Write(b)
		}
	}
	if err := rows.Error(); err != nil {
		return err
	}
	w.Write([]byte{0})
	buffered.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return errors.Join(buffered.Flush(), f.Close())
}

// LoadSnapshot replaces the state of a group. The new database is built and
// synced beside the old one; the rename that gives it its number makes it the
// newest, and with that the only one.
func (m *Machine) LoadSnapshot(group int, snap sm.Snapshot) error {
	s := m.stores[group]
	if len(snap.Files) != 1 || snap.Files[0] != snapshotFile {
		return fmt.Errorf("%w: it has the files %q, want %s", ErrSnapshot, snap.Files, snapshotFile)
	}
	s.flushing.Lock()
	defer s.flushing.Unlock()
	next := dirName(s.path, s.group, s.number+1)
	building := next + unfinished
	if err := os.RemoveAll(building); err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	at, err := buildDB(building, filepath.Join(snap.Dir, snapshotFile), group)
	if err == nil && at.next != snap.Instance+1 {
		err = fmt.Errorf("%w: it goes up to instance %d, want %d", ErrSnapshot, at.next-1, snap.Instance)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(building))
	}
	if err := errors.Join(os.Rename(building, next), syncPath(s.path)); err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	return s.switchTo(next, at)
}

// switchTo makes the store use another database. Readers see the old state or
// the new one.
func (s *store) switchTo(dir string, at place) error {
	db, err := openDB(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = err // the next start has the new state
		return err
	}
	old, oldDir := s.db, s.dir
	s.db, s.dir, s.number = db, dir, s.number+1
	s.fresh, s.frozen, s.durable = changes{data: map[string]*Data{}, at: at}, changes{}, at
	_, _ = old.Close(), os.RemoveAll(oldDir) // the next start removes it otherwise
	return nil
}

// buildDB fills a new database, which is durable and closed afterwards.
func buildDB(dir, file string, group int) (place, error) {
	db, err := openDB(dir)
	if err != nil {
		return place{}, err
	}
	err = fillDB(db, file, group)
	var at place
	if err == nil {
		at, err = readPlace(db)
	}
	return at, errors.Join(err, db.Close())
}

func fillDB(db *database, file string, group int) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	defer f.Close()
	var batch leveldb.Batch
	bytes, placed := 0, false
	flush := func() error {
		err := db.Write(&batch, synced)
		batch.Reset()
		bytes = 0
		return err
	}
	err = readSnapshot(f, func(key, value []byte) error {
		if string(key) == placeKey {
			placed = true
			_, err := decodePlace(value)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrSnapshot, err)
			}
		} else if err := checkPair(key, value, group); err != nil {
			return err
		}
		batch.Put(key, value)
		if bytes += len(key) + len(value); bytes < loadBatchBytes {
			return nil
		}
		return flush()
	})
	if err == nil && !placed {
		err = fmt.Errorf("%w: it does not say how far it goes", ErrSnapshot)
	}
	if err != nil {
		return err
	}
	return flush()
}

// checkPair refuses what this group would never have stored.
func checkPair(key, value []byte, group int) error {
	name, ok := strings.CutPrefix(string(key), dataPrefix)
	if !ok || GroupOf(name) != group {
		return fmt.Errorf("%w: key %q does not belong here", ErrSnapshot, key)
	}
	if _, err := decodeData(value); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return nil
}

// readSnapshot calls pair for everything in a snapshot; key and value are
// valid until it returns. What pair saw counts only if the end is nil: the
// checksum comes last.
func readSnapshot(f io.Reader, pair func(key, value []byte) error) error {
	r := &summer{r: bufio.NewReaderSize(f, 256<<10), sum: crc32.New(crcTable)}
	magic, err := r.bytes(nil, uint64(len(snapshotMagic)))
	if err != nil || string(magic) != snapshotMagic {
		return fmt.Errorf("%w: it begins with %q (%v)", ErrSnapshot, magic, err)
	}
	var key, value []byte
	for {
		if key, err = r.sized(key); err != nil || len(key) == 0 {
			break
		}
		if value, err = r.sized(value); err != nil {
			break
		}
		if err := pair(key, value); err != nil {
			return err
		}
	}
	var want uint32
	sum := r.sum.Sum32()
	if err == nil {
		err = binary.Read(r.r, binary.LittleEndian, &want)
	}
	if err != nil {
		return fmt.Errorf("%w: it ends too early: %w", ErrSnapshot, err)
	}
	if sum != want {
		return fmt.Errorf("%w: its checksum is %08x, want %08x", ErrSnapshot, sum, want)
	}
	if _, err := r.r.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: something follows its end", ErrSnapshot)
	}
	return nil
}

// summer reads and sums up what it has read.
type summer struct {
	r   *bufio.Reader
	sum hash.Hash32
}

// ReadByte is what a uvarint is read by.
func (s *summer) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.sum.Write([]byte{b})
	}
	return b, err
}

// sized reads a length and so many bytes.
func (s *summer) sized(buf []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil {
		return nil, err
	}
	return s.bytes(buf, n)
}

// bytes reads n bytes into buf, which grows with what is really there.
func (s *summer) bytes(buf []byte, n uint64) ([]byte, error) {
	if n > recordBytesMax {
		return nil, fmt.Errorf("a length of %d", n)
	}
	buf = buf[:0]
	for left := int(n); left > 0; {
		from, step := len(buf), min(left, 64<<10)
		buf = append(buf, make([]byte, step)...)
		if _, err := io.ReadFull(s.r, buf[from:]); err != nil {
			return nil, err
		}
		left -= step
	}
	s.sum.Write(buf)
	return buf, nil
}
