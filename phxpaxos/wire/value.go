package wire

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// valuePrefix is the size of the state machine id in front of a value.
const valuePrefix = 4

// AppendValue appends a packed value: what instances decide on, records hold
// and checksums cover (spec/protocol.md section 16.1).
func AppendValue(dst []byte, id sm.ID, body []byte) []byte {
	dst = slices.Grow(dst, valuePrefix+len(body))
	return append(binary.LittleEndian.AppendUint32(dst, uint32(id)), body...)
}

// SplitValue takes a packed value apart; body is a part of it. ok is false if
// value is too short to name a state machine, such as an empty one.
func SplitValue(value []byte) (id sm.ID, body []byte, ok bool) {
	if len(value) < valuePrefix {
		return sm.None, nil, false
	}
	return sm.ID(binary.LittleEndian.Uint32(value)), value[valuePrefix:len(value):len(value)], true
}

// BatchEntry is one value of a batch.
type BatchEntry struct {
	SM    sm.ID  // the state machine, sm.None if no one is to see it
	Value []byte // without a prefix
}

// AppendBatch appends the packed value that holds entries in their order: the
// id sm.Batch and a BatchPaxosValues (spec/protocol.md section 16.2). The
// original does not wrap a single value; that is for the caller to decide.
func AppendBatch(dst []byte, entries []BatchEntry) []byte {
	size := valuePrefix
	for i := range entries {
		n := entrySize(&entries[i])
		size += 1 + protowire.SizeBytes(n)
	}
	dst = slices.Grow(dst, size)
	batch := int32(sm.Batch)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(batch))
	for i := range entries {
		e := &entries[i]
		dst = appendUint(dst, bytes1, uint64(entrySize(e)))
		dst = appendInt(dst, varint1, int32(e.SM))
		dst = appendBytes(dst, bytes2, e.Value)
	}
	return dst
}

// entrySize is the length of e as a PaxosValue.
func entrySize(e *BatchEntry) int {
	return 1 + protowire.SizeVarint(uint64(int64(e.SM))) + 1 + protowire.SizeBytes(len(e.Value))
}

// DecodeBatch appends the values of a batch to entries. body is what
// SplitValue returns next to sm.Batch; the entries' values are parts of it. On
// an error, which matches ErrBody, nothing is appended.
func DecodeBatch(body []byte, entries []BatchEntry) ([]BatchEntry, error) {
	before := entries
	var f field
	var err error
	for b := body; len(b) > 0; {
		if b, err = f.next(b); err != nil {
			return before, malformed("BatchPaxosValues", err)
		}
		if f.tag != uint64(bytes1) {
			continue
		}
		var e BatchEntry
		if err = e.decode(f.bytes); err != nil {
			return before, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *BatchEntry) decode(b []byte) (err error) {
	var f field
	var seen fields
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return malformed("PaxosValue", err)
		}
		switch f.tag {
		case uint64(varint1):
			e.SM = sm.ID(f.num)
		case uint64(bytes2):
			e.Value = f.bytes
		default:
			continue
		}
		seen.add(f.tag)
	}
	return seen.require("PaxosValue", 1, 2)
}
