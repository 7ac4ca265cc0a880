package wire

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

// A cluster identity reaches the receiver, and an original node sees an
// ordinary header with one unknown field more.
func TestIdentityTravels(t *testing.T) {
	id := nodeid.Cluster{1, 2, 3, 15: 9}
	m := paxos.Message{Kind: paxos.Prepare, From: 7, Instance: 3, Ballot: paxos.Ballot{Number: 5, Node: 7}}
	packet := AppendMessage(nil, Header{Group: 1, Cluster: 4, CRC: true, Identity: id}, &m)
	p, err := Open(packet)
	if err != nil || p.Identity != id || !p.HasCRC || p.Cluster != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	var theirs wirepb.Header
	if err := proto.Unmarshal(packet[prefixSize:bodyOffset(packet)], &theirs); err != nil || theirs.GetGid() != 4 || theirs.GetCmdid() != 1 {
		t.Errorf("an original node reads %v, %v", &theirs, err)
	}
	plain := AppendMessage(nil, Header{Group: 1, Cluster: 4, CRC: true}, &m)
	if len(packet)-len(plain) != identitySize {
		t.Errorf("%d bytes more, want %d", len(packet)-len(plain), identitySize)
	}
}

// Without a CRC there is no identity: none is written, and one that comes is
// refused, since nothing protects its bits.
func TestIdentityNeedsCRC(t *testing.T) {
	id := nodeid.Cluster{1}
	m := paxos.Message{Kind: paxos.Prepare, From: 7, Ballot: paxos.Ballot{Number: 5, Node: 7}}
	without := AppendMessage(nil, Header{Group: 1}, &m)
	if got := AppendMessage(nil, Header{Group: 1, Identity: id}, &m); string(got) != string(without) {
		t.Errorf("byte-equal packet differs: %x, want %x", got, without)
	}
	packet := AppendMessage(nil, Header{Group: 1, CRC: true, Identity: id}, &m)
	bodyAt := bodyOffset(packet)
	bare := append([]byte(nil), packet[:bodyAt-crcSize]...)
	bare[4] -= crcSize
	bare = seal(append(bare, packet[bodyAt:len(packet)-trailerSize]...), 0, 0)
	if _, err := Open(bare); !errors.Is(err, ErrHeader) {
		t.Errorf("an identity without CRC: %v, want ErrHeader", err)
	}
}

// An identity of another length is no identity.
func TestIdentityHasSixteenBytes(t *testing.T) {
	for _, n := range []int{0, 15, 17} {
		header := appendInt(appendUint(appendUint(nil, varint1, 0), varint2, 0), varint3, 1)
		header = append(header, 0xaa, 0x06, byte(n))
		header = append(header, make([]byte, n)...)
		if _, err := decodeHeader(header); !errors.Is(err, ErrHeader) {
			t.Errorf("%d bytes: %v, want ErrHeader", n, err)
		}
	}
}
