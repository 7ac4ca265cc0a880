package hooks_test

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/auth"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

// sendersDoubted sends a network packets that are not from where they claim to
// be, and authentication frames with each fault.
func sendersDoubted(t *testing.T, all *probe) {
	ids := certtest.HoldIDs(t, 3)
	own, secret := newProbe(), []byte("the secret of sendersDoubted")
	n, err := network.NewTCP(network.Config{
		Me: ids[0], Secret: network.Secret{Key: secret, Mode: network.SecretSend}, Observer: all.observer(own.observer(nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	n.IdentifyBy(wire.Sender)
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp4", ids[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	write := func(packet []byte) {
		t.Helper()
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4))
		if _, err := raw.Write(append(frame, packet...)); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, err := nodeid.Parse("192.0.2.1:1000")
	if err != nil {
		t.Fatal(err)
	}
	packet := wire.AppendMessage(nil, wire.Header{CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: elsewhere})
	write(packet)
	awaitFired(t, own, event.NetSourceDiffers, event.NetMACMissing)

	sealed := func(sealer *auth.Sealer, to, counter uint64) {
		t.Helper()
		frame, err := sealer.AppendFrame(nil, to, counter, 1, func(int) []byte { return packet })
		if err != nil {
			t.Fatal(err)
		}
		write(frame)
		write(packet)
	}
	sealer := auth.NewSealer(secret, ids[1], ids[0], 1)
	sealed(auth.NewSealer([]byte("another secret of the test"), ids[1], ids[0], 1), 0, 1)
	awaitFired(t, own, event.NetMACWrong)
	sealed(sealer, 0, 1)
	awaitFired(t, own, event.NetMACSender)
	sealed(sealer, 0, 1)
	awaitFired(t, own, event.NetMACReplay)
	sealed(sealer, 1, 2)
	awaitFired(t, own, event.NetMACStale)
	frame, err := sealer.AppendFrame(nil, 0, 3, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(frame[:len(frame)-1])
	awaitFired(t, own, event.NetMACMalformed)
}
