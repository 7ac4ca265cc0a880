package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Why bytes were refused. Errors of this package wrap exactly one of them.
var (
	ErrShort    = errors.New("packet is too short")
	ErrHeader   = errors.New("packet header is malformed")
	ErrChecksum = errors.New("packet checksum is wrong")
	ErrCRC      = errors.New("packet CRC-32C is wrong")
	ErrBody     = errors.New("malformed data")
)

// Field tags, number and wire type in one byte. All fields of the original
// have numbers below 16, so a tag is its own encoding.
const (
	varint1  = 1<<3 | byte(protowire.VarintType)
	varint2  = 2<<3 | byte(protowire.VarintType)
	varint3  = 3<<3 | byte(protowire.VarintType)
	varint4  = 4<<3 | byte(protowire.VarintType)
	varint5  = 5<<3 | byte(protowire.VarintType)
	varint6  = 6<<3 | byte(protowire.VarintType)
	varint7  = 7<<3 | byte(protowire.VarintType)
	varint8  = 8<<3 | byte(protowire.VarintType)
	varint9  = 9<<3 | byte(protowire.VarintType)
	varint10 = 10<<3 | byte(protowire.VarintType)
	varint11 = 11<<3 | byte(protowire.VarintType)
	varint12 = 12<<3 | byte(protowire.VarintType)
	varint13 = 13<<3 | byte(protowire.VarintType)

	varint100 = 100<<3 | uint64(protowire.VarintType) // two bytes
	bytes101  = 101<<3 | uint64(protowire.BytesType)

	// Fields of this library that original nodes skip; tags of two bytes.
	fixed110 = 110<<3 | uint64(protowire.Fixed64Type)
	fixed111 = 111<<3 | uint64(protowire.Fixed64Type)
	bytes112 = 112<<3 | uint64(protowire.BytesType)

	bytes1  = 1<<3 | byte(protowire.BytesType)
	bytes2  = 2<<3 | byte(protowire.BytesType)
	bytes6  = 6<<3 | byte(protowire.BytesType)
	bytes8  = 8<<3 | byte(protowire.BytesType)
	bytes11 = 11<<3 | byte(protowire.BytesType)
	bytes14 = 14<<3 | byte(protowire.BytesType)
	bytes15 = 15<<3 | byte(protowire.BytesType)
)

// appendUint appends a number, also if it is zero: the original states zeros.
func appendUint(dst []byte, tag byte, v uint64) []byte {
	return protowire.AppendVarint(append(dst, tag), v)
}

// appendHash appends a hash of the full history, which is not stated while it
// is not known: packets and records are the original's then.
func appendHash(dst []byte, tag uint64, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendVarint(dst, tag), v)
}

// appendInt appends a signed number; a negative one takes ten bytes.
func appendInt(dst []byte, tag byte, v int32) []byte {
	return appendUint(dst, tag, uint64(int64(v)))
}

// appendBytes appends a byte string, also if it is empty.
func appendBytes(dst []byte, tag byte, v []byte) []byte {
	return append(protowire.AppendVarint(append(dst, tag), uint64(len(v))), v...)
}

// field is one field of a serialized protobuf message.
type field struct {
	tag   uint64 // number and wire type, comparable with the constants above
	num   uint64 // value of a varint, fixed32 or fixed64
	bytes []byte // value of a byte string, nil if empty, part of the input
}

// next reads the first field of b and returns what lies behind it. Any tag that
// the caller does not know is a field to skip.
func (f *field) next(b []byte) (rest []byte, err error) {
	number, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, fmt.Errorf("tag of a field: %w", protowire.ParseError(n))
	}
	if number > protowire.MaxValidNumber {
		return nil, fmt.Errorf("field number %d is out of range", number)
	}
	rest = b[n:]
	f.tag, f.num, f.bytes = protowire.EncodeTag(number, typ), 0, nil
	switch typ {
	case protowire.VarintType:
		f.num, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(rest)
		f.num = uint64(v)
	case protowire.Fixed64Type:
		f.num, n = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(rest)
		// Without spare capacity nobody can append into the input; nil
		// for empty keeps results comparable.
		if f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]; len(f.bytes) == 0 {
			f.bytes = nil
		}
	default:
		n = protowire.ConsumeFieldValue(number, typ, rest)
	}
	if n < 0 {
		return nil, fmt.Errorf("value of field %d: %w", number, protowire.ParseError(n))
	}
	return rest[n:], nil
}

// fields is a set of field numbers, those of required fields that were seen.
type fields uint32

// add notes the field of a one-byte tag.
func (s *fields) add(tag uint64) { *s |= 1 << (tag >> 3) }

// require fails if one of the fields first to last, all required ones of
// message, has not been seen.
func (s fields) require(message string, first, last int) error {
	for n := first; n <= last; n++ {
		if s&(1<<n) == 0 {
			return fmt.Errorf("%w: %s lacks its required field %d", ErrBody, message, n)
		}
	}
	return nil
}

// malformed wraps an error of field.next.
func malformed(message string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrBody, message, err)
}
