package wire

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"

// NoVersion is the version of variables that no instance has set yet.
const NoVersion = ^uint64(0)

// SystemVariables are membership and cluster id of a group: the value of
// sm.System, the stored variable of that name and field 14 of an Offer
// (spec/storage-api.md section 5.1).
type SystemVariables struct {
	Cluster uint64      // cluster id (gid), 0 while unknown
	Members []nodeid.ID // in the order stated, which need not be sorted
	Version uint64      // instance that set them, or NoVersion
}

// AppendSystemVariables appends v.
func AppendSystemVariables(dst []byte, v *SystemVariables) []byte {
	dst = appendUint(dst, varint1, v.Cluster)
	for _, id := range v.Members {
		size := len(dst) + 1
		dst = append(dst, bytes2, 0)
		dst = appendUint(dst, varint1, 0) // rid, always 0
		dst = appendUint(dst, varint2, uint64(id))
		dst[size] = byte(len(dst) - size - 1) // at most 13, so one byte holds it
	}
	return appendUint(dst, varint3, v.Version)
}

// DecodeSystemVariables decodes data into v, all of it; Members is a new
// slice. Errors match ErrBody and leave v alone.
func DecodeSystemVariables(data []byte, v *SystemVariables) error {
	var d SystemVariables
	var f field
	var seen fields
	var err error
	for b := data; len(b) > 0; {
		if b, err = f.next(b); err != nil {
			return malformed("SystemVariables", err)
		}
		switch f.tag {
		case uint64(varint1):
			d.Cluster = f.num
		case uint64(bytes2):
			var id nodeid.ID
			if id, err = decodeMember(f.bytes); err != nil {
				return err
			}
			d.Members = append(d.Members, id)
		case uint64(varint3):
			d.Version = f.num
		default:
			continue
		}
		seen.add(f.tag)
	}
	seen.add(uint64(bytes2)) // a list may be empty
	if err = seen.require("SystemVariables", 1, 3); err != nil {
		return err
	}
	*v = d
	return nil
}

// decodeMember decodes a PaxosNodeInfo. Its rid has no meaning.
func decodeMember(b []byte) (id nodeid.ID, err error) {
	var f field
	var seen fields
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return nodeid.None, malformed("PaxosNodeInfo", err)
		}
		switch f.tag {
		case uint64(varint1):
		case uint64(varint2):
			id = nodeid.ID(f.num)
		default:
			continue
		}
		seen.add(f.tag)
	}
	return id, seen.require("PaxosNodeInfo", 1, 2)
}

// MasterVariables are the last known master of a group: the stored variable
// of that name and field 15 of an Offer (spec/storage-api.md section 6.1).
type MasterVariables struct {
	Master      nodeid.ID
	Version     uint64 // instance that set them, or NoVersion
	LeaseMillis uint32
}

// AppendMasterVariables appends v.
func AppendMasterVariables(dst []byte, v *MasterVariables) []byte {
	dst = appendUint(dst, varint1, uint64(v.Master))
	dst = appendUint(dst, varint2, v.Version)
	return appendUint(dst, varint3, uint64(v.LeaseMillis))
}

// DecodeMasterVariables decodes data into v, all of it. Errors match ErrBody
// and leave v alone.
func DecodeMasterVariables(data []byte, v *MasterVariables) error {
	var d MasterVariables
	var f field
	var seen fields
	var err error
	for b := data; len(b) > 0; {
		if b, err = f.next(b); err != nil {
			return malformed("MasterVariables", err)
		}
		switch f.tag {
		case uint64(varint1):
			d.Master = nodeid.ID(f.num)
		case uint64(varint2):
			d.Version = f.num
		case uint64(varint3):
			d.LeaseMillis = uint32(f.num)
		default:
			continue
		}
		seen.add(f.tag)
	}
	if err = seen.require("MasterVariables", 1, 3); err != nil {
		return err
	}
	*v = d
	return nil
}

// OperatorComplete is the only MasterOperator.Operator there is: the node is
// master from now on.
const OperatorComplete uint32 = 1

// MasterOperator is the value of sm.Master: a node's wish to be master
// (spec/storage-api.md section 6.1).
type MasterOperator struct {
	Node           nodeid.ID
	Version        uint64 // of the master variables that the node saw
	TimeoutMillis  int32  // length of the lease
	Operator       uint32 // OperatorComplete; others have no effect
	SID            uint32 // random, keeps the values of two nodes apart
	LastVersion    uint64 // filled in just before proposing
	HasLastVersion bool   // LastVersion is stated; if not, it is 0
}

// AppendMasterOperator appends o, without the prefix of a packed value.
func AppendMasterOperator(dst []byte, o *MasterOperator) []byte {
	dst = appendUint(dst, varint1, uint64(o.Node))
	dst = appendUint(dst, varint2, o.Version)
	dst = appendInt(dst, varint3, o.TimeoutMillis)
	dst = appendUint(dst, varint4, uint64(o.Operator))
	dst = appendUint(dst, varint5, uint64(o.SID))
	if o.HasLastVersion {
		dst = appendUint(dst, varint6, o.LastVersion)
	}
	return dst
}

// DecodeMasterOperator decodes data, without the prefix of a packed value,
// into o, all of it. Errors match ErrBody and leave o alone.
func DecodeMasterOperator(data []byte, o *MasterOperator) error {
	var d MasterOperator
	var f field
	var seen fields
	var err error
	for b := data; len(b) > 0; {
		if b, err = f.next(b); err != nil {
			return malformed("MasterOperator", err)
		}
		switch f.tag {
		case uint64(varint1):
			d.Node = nodeid.ID(f.num)
		case uint64(varint2):
			d.Version = f.num
		case uint64(varint3):
			d.TimeoutMillis = int32(f.num)
		case uint64(varint4):
			d.Operator = uint32(f.num)
		case uint64(varint5):
			d.SID = uint32(f.num)
		case uint64(varint6):
			d.LastVersion, d.HasLastVersion = f.num, true
		default:
			continue
		}
		seen.add(f.tag)
	}
	if err = seen.require("MasterOperator", 1, 5); err != nil {
		return err
	}
	*o = d
	return nil
}
