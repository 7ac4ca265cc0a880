package vfile

import "google.golang.org/protobuf/encoding/protowire"

// stateFields are the numbers and wire types of AcceptorStateData, all
// required (spec/storage-api.md section 2.12).
var stateFields = [...]protowire.Type{
	1: protowire.VarintType, // instance
	2: protowire.VarintType, // promised ballot, and its node
	3: protowire.VarintType,
	4: protowire.VarintType, // accepted ballot, and its node
	5: protowire.VarintType,
	6: protowire.BytesType,  // value
	7: protowire.VarintType, // checksum
}

const stateFieldsAll = 1<<len(stateFields) - 2

// ValidState reports whether data is a serialized AcceptorStateData of the
// instance with all of its fields. Unknown fields are passed over. It is the
// default of Options.Valid, and reads no more than is needed to tell a whole
// record from one whose end is missing or zero: tag 0 is illegal, and the
// last field is a number in its shortest form, so that its last byte is zero
// only if the number is.
func ValidState(instance uint64, data []byte) bool {
	seen := 0
	named := uint64(0)
	last := protowire.Type(-1)
	rest := data
	for len(rest) > 0 {
		number, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return false
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(number, typ, rest); n < 0 {
			return false
		}
		if int(number) < len(stateFields) && stateFields[number] == typ {
			seen |= 1 << number
			if number == 1 {
				named, _ = protowire.ConsumeVarint(rest)
			}
		}
		last = typ
		rest = rest[n:]
	}
	if seen != stateFieldsAll || named != instance {
		return false
	}
	padded := last == protowire.VarintType && data[len(data)-1] == 0 && data[len(data)-2] >= 0x80
	return !padded
}
