package wire

import (
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// Command says what the body of a packet is (spec/protocol.md section 2.1).
// Packets with other commands are well-formed and to be ignored.
type Command int32

const (
	CommandPaxos      Command = 1 // a paxos.Message
	CommandCheckpoint Command = 2 // a Checkpoint
)

// OverheadMax is an upper bound of how many bytes longer a packet of
// AppendMessage is than the byte strings in its message. A packet must not
// exceed the original's size limit, or its nodes drop it in silence; so a
// value must be that much smaller than the limit. It holds for instances below
// 2^56 and ballots up to 2^62; nodes refuse messages with higher ones.
const OverheadMax = 128

const (
	prefixSize  = 6 // group index and header length
	trailerSize = 4
	crcTag0     = 0xa5 // field 100, fixed32, as bytes
	crcTag1     = 0x06
	crcTag      = crcTag1<<7 | crcTag0&0x7f
	crcSize     = 2 + 4

	identityTag  = bytes101
	identitySize = 2 + 1 + len(nodeid.Cluster{})
)

var zeroCRC [4]byte // read only

// Packet is an opened packet.
type Packet struct {
	Group    int            // group index as sent, any 32-bit number
	Cluster  uint64         // the group's cluster id (gid) at the sender, 0 if it has none yet
	Command  Command        // what Body is
	HasCRC   bool           // our CRC was there, and right
	Identity nodeid.Cluster // the sender's cluster, zero if it states none
	Body     []byte         // part of the packet that was opened
}

// Header is what packets of one sender have in common.
type Header struct {
	Group   int    // a 32-bit number
	Cluster uint64 // cluster id (gid) of the group, 0 while there is none

	// CRC adds our CRC-32C. Without it, and without what needs it, a packet is
	// the original's byte for byte.
	CRC bool
	// Identity states the sender's cluster, if it is not zero. It needs CRC.
	Identity nodeid.Cluster
}

// AppendMessage appends a whole packet with m (spec/protocol.md section 4),
// which fields it carries being a matter of m.Kind (section 3.1). A message
// of an unknown kind is kind, instance and sender only. m.To is not part of a
// packet.
func AppendMessage(dst []byte, h Header, m *paxos.Message) []byte {
	start := len(dst)
	dst = slices.Grow(dst, 64+len(m.Value)+len(m.SystemVariables)+len(m.MasterVariables))
	dst, crcAt := appendHeader(dst, &h, CommandPaxos)
	return seal(appendMessage(dst, m), start, crcAt)
}

// AppendCheckpoint appends a whole packet with c, as AppendMessage does.
func AppendCheckpoint(dst []byte, h Header, c *Checkpoint) []byte {
	start := len(dst)
	dst = slices.Grow(dst, 128+len(c.Path)+len(c.Data))
	dst, crcAt := appendHeader(dst, &h, CommandCheckpoint)
	return seal(appendCheckpoint(dst, c), start, crcAt)
}

// appendHeader appends everything before the body. crcAt is where the CRC has
// to be filled in, or 0.
func appendHeader(dst []byte, h *Header, command Command) (_ []byte, crcAt int) {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Group))
	dst = append(dst, 0, 0)
	header := len(dst)
	dst = appendUint(dst, varint1, h.Cluster)
	dst = appendUint(dst, varint2, 0)
	dst = appendInt(dst, varint3, int32(command))
	dst = appendUint(dst, varint4, 1)
	if h.CRC {
		if !h.Identity.IsZero() {
			dst = protowire.AppendVarint(dst, identityTag)
			dst = append(dst, byte(len(h.Identity)))
			dst = append(dst, h.Identity[:]...)
		}
		dst = append(dst, crcTag0, crcTag1)
		crcAt = len(dst)
		dst = append(dst, zeroCRC[:]...)
	}
	binary.LittleEndian.PutUint16(dst[header-2:], uint16(len(dst)-header))
	return dst, crcAt
}

// seal completes the packet that begins at start. The CRC comes first, since
// the trailer covers it.
func seal(dst []byte, start, crcAt int) []byte {
	if crcAt != 0 {
		binary.LittleEndian.PutUint32(dst[crcAt:], checksum.CRC32C(0, dst[start:]))
	}
	return binary.LittleEndian.AppendUint32(dst, checksum.Sampled(0, dst[start:], checksum.PacketStride))
}

// PeekGroup returns the group index of a packet without checking the rest. ok
// is false if packet is too short to be one.
func PeekGroup(packet []byte) (group int, ok bool) {
	if len(packet) <= prefixSize {
		return 0, false
	}
	return int(int32(binary.LittleEndian.Uint32(packet))), true
}

// bodyOffset is where a packet says that its body begins, which may be behind
// its end. The packet holds the prefix at least.
func bodyOffset(packet []byte) int {
	return prefixSize + int(binary.LittleEndian.Uint16(packet[4:]))
}

// PeekAcceptReply returns the instance of a packet that looks like an
// AcceptReply, without checking the rest: a hint, for a packet in the form that
// nodes write. ok is false for every other packet.
func PeekAcceptReply(packet []byte) (instance uint64, ok bool) {
	if len(packet) < prefixSize {
		return 0, false
	}
	bodyAt := bodyOffset(packet)
	if len(packet) < bodyAt+3 {
		return 0, false
	}
	body := packet[bodyAt:]
	if body[0] != varint1 || body[1] != byte(paxos.AcceptReply) || body[2] != varint2 {
		return 0, false
	}
	instance, n := protowire.ConsumeVarint(body[3:])
	return instance, n > 0
}

// Open checks a packet's lengths, header, trailer and, if it is there, our
// CRC. Errors match ErrShort, ErrHeader, ErrChecksum or ErrCRC. A header
// without a version means that there is no trailer (spec/protocol.md section
// 4.2); neither ours nor original nodes send such packets.
func Open(packet []byte) (Packet, error) {
	group, ok := PeekGroup(packet)
	if !ok {
		return Packet{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrShort, len(packet), prefixSize+1)
	}
	bodyAt := bodyOffset(packet)
	if bodyAt > len(packet) {
		return Packet{}, fmt.Errorf("%w: it ends at %d, the packet has %d bytes", ErrHeader, bodyAt, len(packet))
	}
	h, err := decodeHeader(packet[prefixSize:bodyAt])
	if err != nil {
		return Packet{}, err
	}
	p := Packet{Group: group, Cluster: h.cluster, Command: h.command}
	end := len(packet)
	if h.version >= 1 {
		if end -= trailerSize; end < bodyAt {
			return Packet{}, fmt.Errorf("%w: %d bytes, no room for the checksum behind a header that ends at %d", ErrShort, len(packet), bodyAt)
		}
		if want, got := checksum.Sampled(0, packet[:end], checksum.PacketStride), binary.LittleEndian.Uint32(packet[end:]); want != got {
			return Packet{}, fmt.Errorf("%w: %08x, computed %08x", ErrChecksum, got, want)
		}
	} else if end >= bodyAt+2 && packet[bodyAt] == varint4 && packet[bodyAt+1] == 1 {
		return Packet{}, fmt.Errorf("%w: its length %d cuts the version off", ErrHeader, bodyAt-prefixSize)
	}
	if p.HasCRC, err = checkCRC(packet[:end], bodyAt, h.hasCRC); err != nil {
		return Packet{}, err
	}
	// A flipped bit in the tag of the CRC must not leave an identity that
	// nothing protects.
	if p.Identity = h.identity; !p.HasCRC && !p.Identity.IsZero() {
		return Packet{}, fmt.Errorf("%w: it states a cluster identity and no CRC", ErrHeader)
	}
	p.Body = packet[bodyAt:end:end]
	return p, nil
}

// checkCRC looks for our CRC in data, a packet without its trailer, and
// verifies it. parsed says whether the header has it as a field. The reasons
// for its rules are in the package comment.
func checkCRC(data []byte, bodyAt int, parsed bool) (present bool, err error) {
	at := bodyAt - crcSize
	tagged := at >= prefixSize && data[at] == crcTag0 && data[at+1] == crcTag1
	if !tagged && !parsed {
		return false, nil
	}
	if !tagged {
		return false, fmt.Errorf("%w: its CRC is not the last field", ErrHeader)
	}
	want := checksum.CRC32C(0, data[:at+2])
	want = checksum.CRC32C(want, zeroCRC[:])
	want = checksum.CRC32C(want, data[bodyAt:])
	if got := binary.LittleEndian.Uint32(data[at+2:]); got != want {
		return false, fmt.Errorf("%w: %08x, computed %08x", ErrCRC, got, want)
	}
	return true, nil
}

// header is a decoded Header.
type header struct {
	cluster uint64
	command Command
	version int32
	hasCRC  bool

	identity nodeid.Cluster
}

func decodeHeader(b []byte) (h header, err error) {
	var f field
	var seen fields
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return h, fmt.Errorf("%w: %w", ErrHeader, err)
		}
		switch f.tag {
		case uint64(varint1):
			h.cluster = f.num
		case uint64(varint2): // rid, always 0
		case uint64(varint3):
			h.command = Command(f.num)
		case uint64(varint4):
			h.version = int32(f.num)
			continue
		case crcTag:
			h.hasCRC = true
			continue
		case identityTag:
			if len(f.bytes) != len(h.identity) {
				return h, fmt.Errorf("%w: its cluster identity has %d bytes, want %d", ErrHeader, len(f.bytes), len(h.identity))
			}
			copy(h.identity[:], f.bytes)
			continue
		default:
			continue
		}
		seen.add(f.tag)
	}
	for n := protowire.Number(1); n <= 3; n++ {
		if seen&(1<<n) == 0 {
			return h, fmt.Errorf("%w: it lacks its required field %d", ErrHeader, n)
		}
	}
	return h, nil
}
