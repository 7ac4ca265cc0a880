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

	"github.com/syndtr/goleveldb/leveldb"
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
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

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
