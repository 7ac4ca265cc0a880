package sharedlog

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// The index file of a segment holds a head, a row for each group that has a
// record in the segment, the variables that were set in it, and the entries.
// It is made from the segment when that is finished, and can be made again.
//
// head, 48 bytes, little-endian:
//
//	 0 "phxsidx1"; the 1 is the format number, see newer.go
//	 8 uint64 number of the segment
//	16 uint64 where its records end
//	24 uint64 its highest Oldest
//	32 uint32 rows
//	36 uint32 bytes of variables
//	40 uint32 the segment's seed
//	44 uint32 CRC-32C of the 44 bytes in front, the rows and the variables
//
// row, 72 bytes:
//
//	 0 uint32 group
//	 4 uint32 bits: voided, cleared, exact, has newest, has max, dropped
//	 8 uint32 first number
//	12 uint32 last number
//	16 uint64 newest
//	24 uint64 max
//	32 uint64 lowest instance with an entry
//	40 uint64 highest instance with an entry
//	48 uint32 first entry
//	52 uint32 entries
//	56 uint64 bytes of the records
//	64 uint64 reserved, 0
//
// variable:
//
//	 0 uint32 group
//	 4 uint32 name
//	 8 uint32 length of the value
//	12 uint32 bytes of the record
//	16 the value
//
// entry, 20 bytes, sorted by group and instance:
//
//	 0 uint64 instance
//	 8 uint32 offset / 8
//	12 uint32 length of the payload, 2^32-1 for dropped
//	16 uint32 CRC-32C of the group and the 16 bytes in front, begun with the seed
const (
	indexMagic    = "phxsidx1"
	indexHead     = 48
	rowBytes      = 72
	varHeadBytes  = 16
	entryBytes    = 20
	indexTableMax = 1 << 30
)

const (
	rowVoided = 1 << iota
	rowCleared
	rowExact
	rowHasNewest
	rowHasMax
	rowDropped
)

// row is a group's part of an index file.
type row struct {
	group    uint32
	t        tally // without entries
	min, max uint64
	start    uint32
	count    uint32
}

// table is an index file without its entries.
type table struct {
	end    int64
	oldest uint64
	rows   []row
}

// encodeIndex makes the index file of a segment.
func encodeIndex(seg *segment, tallies map[uint32]*tally) []byte {
	groups := sortedGroups(tallies)
	var rows, vars, entries []byte
	start := uint32(0)
	for _, g := range groups {
		t := tallies[g]
		list := t.merged()
		rows = appendRow(rows, g, t, list, start)
		for name := range t.vars {
			vars = appendVariable(vars, g, uint32(name), &t.vars[name])
		}
		for _, e := range list {
			entries = appendEntry(entries, g, e, seg.seed)
		}
		start += uint32(len(list))
	}
	out := make([]byte, 0, indexHead+len(rows)+len(vars)+len(entries))
	out = append(out, indexMagic...)
	out = binary.LittleEndian.AppendUint64(out, seg.seq)
	out = binary.LittleEndian.AppendUint64(out, uint64(seg.end))
	out = binary.LittleEndian.AppendUint64(out, seg.oldest)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(groups)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(vars)))
	out = binary.LittleEndian.AppendUint32(out, seg.seed)
	sum := checksum.CRC32C(checksum.CRC32C(checksum.CRC32C(0, out), rows), vars)
	out = binary.LittleEndian.AppendUint32(out, sum)
	return append(append(append(out, rows...), vars...), entries...)
}

func sortedGroups(tallies map[uint32]*tally) []uint32 { return slices.Sorted(maps.Keys(tallies)) }

func appendRow(b []byte, group uint32, t *tally, list []entry, start uint32) []byte {
	flags := uint32(0)
	for bit, set := range map[uint32]bool{
		rowVoided: t.voided, rowCleared: t.cleared, rowExact: t.mark.exact,
		rowHasNewest: t.mark.hasNewest, rowHasMax: t.mark.hasMax, rowDropped: t.mark.dropped,
	} {
		if set {
			flags |= bit
		}
	}
	var lo, hi uint64
	if len(list) > 0 {
		lo, hi = list[0].instance, list[len(list)-1].instance
	}
	for _, v := range [...]uint32{group, flags, t.first, t.last} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for _, v := range [...]uint64{t.mark.newest, t.mark.max, lo, hi} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, start)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	b = binary.LittleEndian.AppendUint64(b, uint64(t.bytes))
	return binary.LittleEndian.AppendUint64(b, 0)
}

func appendVariable(b []byte, group, name uint32, v *variable) []byte {
	if !v.some {
		return b
	}
	for _, x := range [...]uint32{group, name, uint32(len(v.value)), uint32(v.bytes)} {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return append(b, v.value...)
}

func appendEntry(b []byte, group uint32, e entry, seed uint32) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, e.instance)
	b = binary.LittleEndian.AppendUint32(b, e.at)
	b = binary.LittleEndian.AppendUint32(b, e.length)
	return binary.LittleEndian.AppendUint32(b, entrySum(b[at:], group, seed))
}

func entrySum(b []byte, group, seed uint32) uint32 {
	var g [4]byte
	binary.LittleEndian.PutUint32(g[:], group)
	return checksum.CRC32C(checksum.CRC32C(seed, g[:]), b[:16])
}

func decodeEntry(b []byte, group, seed uint32) (e entry, ok bool) {
	e = entry{
		instance: binary.LittleEndian.Uint64(b), at: binary.LittleEndian.Uint32(b[8:]), length: binary.LittleEndian.Uint32(b[12:]),
	}
	return e, binary.LittleEndian.Uint32(b[16:]) == entrySum(b, group, seed)
}

// entriesAt is where the entries of an index file begin.
func entriesAt(rows, vars int) int64 { return indexHead + int64(rows)*rowBytes + int64(vars) }

// decodeIndexHead reads the head; tableBytes is how many bytes of rows and
// variables follow.
func decodeIndexHead(b []byte, seq uint64, seed uint32) (t table, rows, vars int, sum uint32, ok bool) {
	if len(b) < indexHead || string(b[:8]) != indexMagic || binary.LittleEndian.Uint64(b[8:]) != seq ||
		binary.LittleEndian.Uint32(b[40:]) != seed {
		return t, 0, 0, 0, false
	}
	end := binary.LittleEndian.Uint64(b[16:])
	t = table{end: int64(end), oldest: binary.LittleEndian.Uint64(b[24:])}
	rows, vars = int(binary.LittleEndian.Uint32(b[32:])), int(binary.LittleEndian.Uint32(b[36:]))
	ok = end < 1<<40 && rows <= groupsMax && vars <= indexTableMax
	return t, rows, vars, binary.LittleEndian.Uint32(b[44:]), ok
}

// decodeTable reads rows and variables behind a head; b begins with the head.
func decodeTable(b []byte, seq uint64, seed uint32) (t table, err error) {
	t, rows, vars, sum, ok := decodeIndexHead(b, seq, seed)
	bad := fmt.Errorf("index of segment %d: %w", seq, storage.ErrDamaged)
	if !ok || int64(len(b)) < entriesAt(rows, vars) {
		return t, bad
	}
	body := b[indexHead:entriesAt(rows, vars)]
	if checksum.CRC32C(checksum.CRC32C(0, b[:44]), body) != sum {
		return t, bad
	}
	byGroup := map[uint32]int{}
	t.rows = make([]row, rows)
	for i := range t.rows {
		t.rows[i] = decodeRow(body[i*rowBytes:])
		byGroup[t.rows[i].group] = i
		if t.rows[i].group >= groupsMax {
			return t, bad
		}
	}
	for v := body[rows*rowBytes:]; len(v) > 0; {
		if len(v) < varHeadBytes {
			return t, bad
		}
		group, name := binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:])
		length, bytes := binary.LittleEndian.Uint32(v[8:]), binary.LittleEndian.Uint32(v[12:])
		i, known := byGroup[group]
		if !known || uint64(name) >= variables || int64(length) > int64(len(v)-varHeadBytes) {
			return t, bad
		}
		value := slices.Clone(v[varHeadBytes : varHeadBytes+length])
		t.rows[i].t.vars[name] = variable{value: value, some: true, seg: seq, bytes: int64(bytes)}
		v = v[varHeadBytes+length:]
	}
	return t, nil
}

func decodeRow(b []byte) row {
	flags := binary.LittleEndian.Uint32(b[4:])
	return row{
		group: binary.LittleEndian.Uint32(b),
		t: tally{
			voided: flags&rowVoided != 0, cleared: flags&rowCleared != 0,
			first: binary.LittleEndian.Uint32(b[8:]), last: binary.LittleEndian.Uint32(b[12:]),
			mark: mark{
				exact: flags&rowExact != 0, hasNewest: flags&rowHasNewest != 0, hasMax: flags&rowHasMax != 0, dropped: flags&rowDropped != 0,
				newest: binary.LittleEndian.Uint64(b[16:]), max: binary.LittleEndian.Uint64(b[24:]),
			},
			bytes: int64(binary.LittleEndian.Uint64(b[56:])),
		},
		min: binary.LittleEndian.Uint64(b[32:]), max: binary.LittleEndian.Uint64(b[40:]),
		start: binary.LittleEndian.Uint32(b[48:]), count: binary.LittleEndian.Uint32(b[52:]),
	}
}
