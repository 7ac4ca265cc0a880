package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// Key names a value. No two values have the same.
type Key struct {
	Node, Client uint16
	Life, Seq    uint32
}

const keyBytes = 12

// Most values are small; one in bigOneIn needs several packets, and one in
// hugeOneIn is sent to the peers before its turn.
const (
	fillMax   = 200
	bigMax    = 20000
	bigOneIn  = 100
	hugeMin   = 128 << 10
	hugeMax   = 160 << 10
	hugeOneIn = 400
)

// Value returns the bytes that are proposed under k. All of them follow from k,
// so a reader can check that they are whole.
func (k Key) Value() []byte {
	head := binary.BigEndian.AppendUint16(nil, k.Node)
	head = binary.BigEndian.AppendUint16(head, k.Client)
	head = binary.BigEndian.AppendUint32(head, k.Life)
	head = binary.BigEndian.AppendUint32(head, k.Seq)
	fill := rand.New(rand.NewPCG(hash(head), 0))
	size := fill.IntN(fillMax)
	switch {
	case fill.IntN(hugeOneIn) == 0:
		size = hugeMin + fill.IntN(hugeMax-hugeMin)
	case fill.IntN(bigOneIn) == 0:
		size = fill.IntN(bigMax)
	}
	b := append(make([]byte, 0, keyBytes+size+8), head...)
	for len(b) < keyBytes+size {
		b = binary.LittleEndian.AppendUint64(b, fill.Uint64())
	}
	return b[:keyBytes+size]
}

// ParseValue returns the key of a value. ok is false if a byte is not what the
// key says.
func ParseValue(b []byte) (k Key, ok bool) {
	if len(b) < keyBytes {
		return Key{}, false
	}
	k = Key{
		Node: binary.BigEndian.Uint16(b), Client: binary.BigEndian.Uint16(b[2:]),
		Life: binary.BigEndian.Uint32(b[4:]), Seq: binary.BigEndian.Uint32(b[8:]),
	}
	return k, string(k.Value()) == string(b)
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// Executed is one value that a state machine executed. A history is all of
// them, in order, each as EntryBytes bytes.
type Executed struct {
	Instance uint64
	Index    uint32
	Key      Key
}

// EntryBytes is the size of an entry of a history.
const EntryBytes = 24

// Append appends e to a history.
func (e Executed) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, e.Instance)
	b = binary.LittleEndian.AppendUint32(b, e.Index)
	b = binary.LittleEndian.AppendUint16(b, e.Key.Node)
	b = binary.LittleEndian.AppendUint16(b, e.Key.Client)
	b = binary.LittleEndian.AppendUint32(b, e.Key.Life)
	return binary.LittleEndian.AppendUint32(b, e.Key.Seq)
}

// ErrHistory: bytes are no history.
var ErrHistory = errors.New("no history")

// ParseHistory returns the entries of a history. Its error matches ErrHistory.
func ParseHistory(b []byte) ([]Executed, error) {
	if len(b)%EntryBytes != 0 {
		return nil, fmt.Errorf("%w: %d bytes are not a multiple of %d", ErrHistory, len(b), EntryBytes)
	}
	all := make([]Executed, 0, len(b)/EntryBytes)
	for ; len(b) > 0; b = b[EntryBytes:] {
		all = append(all, Executed{
			Instance: binary.LittleEndian.Uint64(b), Index: binary.LittleEndian.Uint32(b[8:]),
			Key: Key{
				Node: binary.LittleEndian.Uint16(b[12:]), Client: binary.LittleEndian.Uint16(b[14:]),
				Life: binary.LittleEndian.Uint32(b[16:]), Seq: binary.LittleEndian.Uint32(b[20:]),
			},
		})
	}
	return all, nil
}
