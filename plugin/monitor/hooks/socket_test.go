package hooks_test

import (
	"net"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// tcp starts a default network that takes packets of up to 1 000 bytes and
// queues one for each peer.
func tcp(t *testing.T, me nodeid.ID, all, own *probe) *network.TCP {
	t.Helper()
	n, err := network.NewTCP(network.Config{
		Me: me, UDPMaxSize: 100, PacketBytesMax: 1000, QueuePacketsMax: 1, Observer: all.observer(own.observer(nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	return n
}

func sockets(t *testing.T, all *probe) {
	ids := certtest.HoldIDs(t, 2)
	from, to := newProbe(), newProbe()
	sender := tcp(t, ids[0], all, from)
	receiver := tcp(t, ids[1], all, to)
	sender.Send(ids[1], make([]byte, 200), network.Stream)
	awaitFired(t, from, event.NetSend, event.NetSendTCP, event.NetDequeue, event.NetLoop)
	awaitFired(t, to, event.NetAccept, event.NetTCPIn)
	sender.Send(ids[1], make([]byte, 50), network.Datagram)
	awaitFired(t, from, event.NetSendUDP, event.NetUDPOut)
	awaitFired(t, to, event.NetUDPIn)
	sender.Send(ids[1], make([]byte, 2000), network.Stream)
	awaitFired(t, from, event.NetTooLarge)
	sender.Send(nodeid.ID(1), make([]byte, 20), network.Stream)
	awaitFired(t, from, event.NetNoPeer)

	raw, err := net.Dial("tcp4", ids[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	awaitFired(t, to, event.NetTCPShort)
	if err := receiver.Close(); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the sender dials again, in vain", func() bool {
		sender.Send(ids[1], make([]byte, 200), network.Stream)
		dialled, _ := from.count(event.NetReconnect)
		failed, _ := from.count(event.NetError)
		return dialled > 0 && failed > 0
	})
}

func socketQueues(t *testing.T, all *probe) {
	ids := certtest.HoldIDs(t, 2)
	own := newProbe()
	sender := tcp(t, ids[0], all, own)
	await.True(t, "the queue to a peer that is down is full", func() bool {
		sender.Send(ids[1], make([]byte, 200), network.Stream)
		n, _ := own.count(event.NetQueueFull)
		return n > 0
	})
	await.True(t, "the queue of datagrams is full", func() bool {
		for range 1000 {
			sender.Send(ids[1], make([]byte, 50), network.Datagram)
		}
		n, _ := own.count(event.NetUDPQueueFull)
		return n > 0
	})
}

func strangerRefused(t *testing.T, all *probe) {
	own, me := newProbe(), certtest.HoldIDs(t, 1)[0]
	authority, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(certtest.Leaf{Names: []string{"a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	observer := all.observer(own.observer(nil))
	guard, err := certs.New(certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile, CAFile: authority.CAFile, Allow: []string{"*"}, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	n, err := tlsnet.New(network.Config{Me: me, Observer: observer}, guard)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp4", me.String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	awaitFired(t, own, event.NetRefused)
}
