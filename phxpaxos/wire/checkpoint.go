package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Values of Checkpoint.Kind (spec/protocol.md section 2.1).
const (
	CheckpointFile int32 = 1 // sender -> receiver; Flag is begin, block or end
	CheckpointAck  int32 = 2 // receiver -> sender; Flag is OK or fail
)

// Values of Checkpoint.Flag of a CheckpointFile.
const (
	CheckpointBegin int32 = 1
	CheckpointBlock int32 = 2
	CheckpointEnd   int32 = 3
)

// Values of Checkpoint.Flag of a CheckpointAck.
const (
	CheckpointOK   int32 = 1
	CheckpointFail int32 = 2
)

// Checkpoint is one message of a checkpoint transfer (spec/protocol.md
// section 17). Fields that its kind does not use are zero.
type Checkpoint struct {
	Kind     int32
	From     nodeid.ID // the sender of this message
	Flag     int32
	UUID     uint64 // of the transfer, chosen by its sender
	Sequence uint64 // 0 begin, 1… blocks, then end; an ack repeats what it acknowledges

	Instance uint64 // file: the group's checkpoint, in a block that of its state machine

	// Total is how many bytes all files have together, in a begin; 0 if it is
	// not stated. It goes into field 100, which original nodes skip.
	Total uint64

	// Ledger says which state machines had entries where, in a begin; see
	// package ledger. Not to be trusted. It goes into field 101, which original
	// nodes skip.
	Ledger []byte

	// Only in a block.
	Checksum uint32 // checksum.Sampled(0, Data, checksum.ValueStride)
	Path     string // relative to the state machine's directory; any bytes, not to be trusted
	SM       sm.ID  // whose file it is
	Offset   uint64 // of Data in the file
	Data     []byte
}

func (c *Checkpoint) isFile() bool  { return c.Kind == CheckpointFile }
func (c *Checkpoint) isBegin() bool { return c.isFile() && c.Flag == CheckpointBegin }
func (c *Checkpoint) isBlock() bool { return c.isFile() && c.Flag == CheckpointBlock }

// appendCheckpoint appends c as a CheckpointMsg with the fields of the second
// table in spec/protocol.md section 3.1, in ascending order.
func appendCheckpoint(dst []byte, c *Checkpoint) []byte {
	dst = appendInt(dst, varint1, c.Kind)
	dst = appendUint(dst, varint2, uint64(c.From))
	dst = appendInt(dst, varint3, c.Flag)
	dst = appendUint(dst, varint4, c.UUID)
	dst = appendUint(dst, varint5, c.Sequence)
	if c.isFile() {
		dst = appendUint(dst, varint6, c.Instance)
	}
	if c.isBegin() && c.Total != 0 {
		dst = protowire.AppendVarint(protowire.AppendVarint(dst, varint100), c.Total)
	}
	if c.isBegin() && len(c.Ledger) != 0 {
		dst = append(protowire.AppendVarint(protowire.AppendVarint(dst, bytes101), uint64(len(c.Ledger))), c.Ledger...)
	}
	if c.isBlock() {
		dst = appendUint(dst, varint7, uint64(c.Checksum))
		dst = appendUint(dst, bytes8, uint64(len(c.Path)))
		dst = append(dst, c.Path...)
		dst = appendInt(dst, varint9, int32(c.SM))
		dst = appendUint(dst, varint10, c.Offset)
		dst = appendBytes(dst, bytes11, c.Data)
	}
	return dst
}

// Checkpoint decodes the body of a packet with CommandCheckpoint into c, all
// of it; Data is a part of the packet, Path a copy. Path and Checksum are not
// verified. An unknown kind or flag is no error. On an error, which matches
// ErrBody, c is left alone.
func (p *Packet) Checkpoint(c *Checkpoint) error {
	if p.Command != CommandCheckpoint {
		return fmt.Errorf("%w: the body of command %d is no checkpoint message", ErrBody, p.Command)
	}
	var d Checkpoint
	path, err := d.decode(p.Body)
	if err != nil {
		return err
	}
	// As in paxosMsg.fill: a kind has its own fields and no others.
	*c = Checkpoint{Kind: d.Kind, From: d.From, Flag: d.Flag, UUID: d.UUID, Sequence: d.Sequence}
	if d.isFile() {
		c.Instance = d.Instance
	}
	if d.isBegin() {
		c.Total, c.Ledger = d.Total, d.Ledger
	}
	if d.isBlock() {
		c.Checksum, c.Path, c.SM, c.Offset, c.Data = d.Checksum, string(path), d.SM, d.Offset, d.Data
	}
	return nil
}

// decode sets all fields but Path, which it returns as it lies in b.
func (c *Checkpoint) decode(b []byte) (path []byte, err error) {
	var f field
	var seen fields
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return nil, malformed("CheckpointMsg", err)
		}
		switch f.tag {
		case uint64(varint1):
			c.Kind = int32(f.num)
		case uint64(varint2):
			c.From = nodeid.ID(f.num)
		case uint64(varint3):
			c.Flag = int32(f.num)
		case uint64(varint4):
			c.UUID = f.num
		case uint64(varint5):
			c.Sequence = f.num
		case uint64(varint6):
			c.Instance = f.num
		case uint64(varint7):
			c.Checksum = uint32(f.num)
		case uint64(bytes8):
			path = f.bytes
		case uint64(varint9):
			c.SM = sm.ID(f.num)
		case uint64(varint10):
			c.Offset = f.num
		case uint64(bytes11):
			c.Data = f.bytes
		case varint100:
			c.Total = f.num
			continue
		case bytes101:
			c.Ledger = f.bytes
			continue
		default:
			continue
		}
		seen.add(f.tag)
	}
	if err = seen.require("CheckpointMsg", 1, 2); err != nil {
		return nil, err
	}
	return path, seen.require("CheckpointMsg", 4, 5)
}
