package wire

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// AppendRecord appends r as the original's AcceptorStateData, what a log
// storage keeps under the record's instance (spec/protocol.md section 8.2).
// All seven fields are stated, an empty value too, and the hashes of the full
// history, as far as they are known. The checksum stays the last one: a number
// in its shortest form shows whether the end of the record was lost and reads
// as zeros, which a fixed64 does not.
func AppendRecord(dst []byte, r *paxos.Record) []byte {
	dst = appendUint(dst, varint1, r.Instance)
	dst = appendUint(dst, varint2, r.Promised.Number)
	dst = appendUint(dst, varint3, uint64(r.Promised.Node))
	dst = appendUint(dst, varint4, r.Accepted.Number)
	dst = appendUint(dst, varint5, uint64(r.Accepted.Node))
	dst = appendBytes(dst, bytes6, r.Value)
	dst = appendHash(appendHash(dst, fixed110, r.Chain), fixed111, r.Sum)
	return appendUint(dst, varint7, uint64(r.Checksum))
}

// DecodeRecord decodes data into r, all of it; r.Value is a part of data. A
// record has all seven fields and nothing that is no field: a torn or padded
// one is an error. Errors match ErrBody and leave r alone.
func DecodeRecord(data []byte, r *paxos.Record) error {
	var d paxos.Record
	var f field
	var seen fields
	var err error
	for b := data; len(b) > 0; {
		if b, err = f.next(b); err != nil {
			return malformed("AcceptorStateData", err)
		}
		switch f.tag {
		case uint64(varint1):
			d.Instance = f.num
		case uint64(varint2):
			d.Promised.Number = f.num
		case uint64(varint3):
			d.Promised.Node = nodeid.ID(f.num)
		case uint64(varint4):
			d.Accepted.Number = f.num
		case uint64(varint5):
			d.Accepted.Node = nodeid.ID(f.num)
		case uint64(bytes6):
			d.Value = f.bytes
		case uint64(varint7):
			d.Checksum = uint32(f.num)
		case fixed110:
			d.Chain = f.num
			continue
		case fixed111:
			d.Sum = f.num
			continue
		default:
			continue
		}
		seen.add(f.tag)
	}
	if err = seen.require("AcceptorStateData", 1, 7); err != nil {
		return err
	}
	*r = d
	return nil
}
