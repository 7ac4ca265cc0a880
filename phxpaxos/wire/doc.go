// Package wire turns what nodes say and keep into bytes and back: packets,
// messages, records, values, batches, checkpoint blocks and variables.
//
// The bytes are the original's (spec/protocol.md sections 3, 4 and 16,
// spec/storage-api.md sections 2.12, 4.1, 5.1 and 6.1), so a node can talk to
// original nodes and open their directories. The one addition is the CRC-32C
// below, which original nodes skip. The package serves the other packages of
// this module and may change.
//
// # Conventions
//
// AppendX appends to dst and returns it, as append does, and allocates only
// when dst is too small. Decoding never modifies its input, and byte slices in
// the result are parts of it, so the input must stay untouched while they are
// in use. What decoding allocates is bounded by a small multiple of the
// input's real length, never by a length that the input claims. Functions are
// pure and safe for concurrent use as long as nobody writes to their
// arguments.
//
// Decoding follows protobuf: unknown fields, and known ones of the wrong wire
// type, are skipped, the last of repeated scalars counts, a missing required
// field is an error, and a missing optional one is zero. An empty byte string
// decodes to nil. Fields that a message of its kind does not use come out as
// zero, whatever the sender put there.
//
// # A packet
//
//	offset  size  content
//	0       4     group index, signed, little-endian
//	4       2     header length H, little-endian
//	6       H     Header: gid, 0, command, version 1, our cluster identity, our CRC
//	6+H     ...   body: a message (PaxosMsg) or a checkpoint message
//	N-4     4     CRC-32 of every 7th byte before it, little-endian
//
// The frame that TCP puts around it belongs to package network.
//
// # Our CRC
//
// The original's trailer looks at one byte in seven. AppendMessage and
// AppendCheckpoint can therefore add field 100 (fixed32, last) to the Header:
// the CRC-32C of the packet without its trailer, with the four bytes of the
// CRC taken as zero. The trailer is computed afterwards and covers the field
// like everything else. Open verifies it whenever it is there; Packet.HasCRC
// tells whether it was.
//
// What this proves:
//
//   - With one bit of such a packet flipped, Open fails, or the packet opens
//     without HasCRC to the very same message. The latter happens only for
//     flips in the two bytes of the field's tag, which turn it into an unknown
//     field.
//   - Any other damage that spares the header length and the tag is found as
//     surely as CRC-32C finds damage.
//
// Three rules make it so, since the bytes that lead to the CRC cannot be
// protected by it:
//
//   - The tag is also looked for at its fixed place, six bytes before the end
//     of the header. So damage in the bytes before it cannot swallow it (a
//     version of 0x81 would make the tag part of the number).
//   - The field must be the last one. So a greater header length is noticed.
//   - In a packet without a version the body must not begin with the
//     version field. So a header length cut in front of it (14 to 6 is one
//     bit) is noticed.
//
// # Our cluster identity
//
// Nodes of one cluster share 128 random bits (nodeid.Cluster), which go into
// field 101 of the Header (bytes, 16 of them, before the CRC) as soon as every
// member understands them (package feature). The original's gid in field 1 is
// zero unless the membership is kept in the log; field 101 does not depend on
// that. It is only valid in a packet with our CRC: alone it is ErrHeader.
//
// # The limit of the CRC
//
// Damage that hits the header length or the tag, and something else at the
// same time, may hide the CRC; what is left then is at most the sampled
// trailer, as with a packet of an original node; HasCRC is false. A receiver
// that knows all its peers to send the CRC can insist on HasCRC. The CRC
// detects accidents; it is no protection against a forger.
package wire
