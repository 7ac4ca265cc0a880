package main

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// ethernet is a frame with a TCP segment.
func ethernet(from, to netip.AddrPort, sequence uint32, flags byte, payload string) []byte {
	b := make([]byte, 14+20+20)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	packet := b[14:]
	packet[0], packet[9] = 0x45, 6
	binary.BigEndian.PutUint16(packet[2:], uint16(40+len(payload)))
	copy(packet[12:], from.Addr().AsSlice())
	copy(packet[16:], to.Addr().AsSlice())
	tcp := packet[20:]
	binary.BigEndian.PutUint16(tcp, from.Port())
	binary.BigEndian.PutUint16(tcp[2:], to.Port())
	binary.BigEndian.PutUint32(tcp[4:], sequence)
	tcp[12], tcp[13] = 0x50, flags
	return append(b, payload...)
}

// A stream is put together from segments that come twice, overlap, and pass
// the end of the sequence numbers; what follows a gap waits for its repetition.
func TestStreamOfSegments(t *testing.T) {
	from, to := netip.MustParseAddrPort("10.78.0.1:40000"), netip.MustParseAddrPort("10.78.0.2:8000")
	first := ^uint32(2)
	c := &capture{flows: map[flow]*stream{}}
	for _, s := range []struct {
		at      uint32
		flags   byte
		payload string
	}{{first, 2, ""}, {first, 2, ""}, {first + 1, 0, "abc"}, {first + 1, 0, "abc"}, {first + 7, 0, "gap"}, {first + 2, 0, "bcdef"}, {first + 7, 0, "ghi"}} {
		c.take(append(ethernet(from, to, s.at, s.flags, s.payload), "padding"...))
	}
	c.take(ethernet(to, from, 5, 0, "no beginning was seen"))
	if got := string(c.stream("10.78.0.1", "10.78.0.2:8000")); got != "abcdefghi" && got != "abcdefgap" {
		t.Errorf("stream %q", got)
	}
	if got := c.stream("10.78.0.2", "10.78.0.1:40000"); len(got) != 0 {
		t.Errorf("stream %q without a beginning", got)
	}
}

func FuzzSegment(f *testing.F) {
	from, to := netip.MustParseAddrPort("10.78.0.1:40000"), netip.MustParseAddrPort("10.78.0.2:8000")
	f.Add(ethernet(from, to, 1, 2, ""))
	f.Add(ethernet(from, to, 2, 0, "payload"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		flow, _, _, payload, ok := segment(frame)
		if !ok {
			return
		}
		if len(payload) > len(frame)-54 || !flow.from.Addr().Is4() {
			t.Errorf("%v, payload of %d bytes in a frame of %d", flow, len(payload), len(frame))
		}
	})
}
