package tlsnet_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// node is a started network.
type node struct {
	*network.TCP
	id  nodeid.ID
	in  chan []byte
	rec certtest.Events
}

func start(t testing.TB, id nodeid.ID, g *certs.Guard) *node {
	t.Helper()
	n := &node{id: id, in: make(chan []byte, 10000)}
	tcp, err := tlsnet.New(network.Config{Me: id, Observer: &n.rec, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond}, g)
	if err != nil {
		t.Fatal(err)
	}
	n.TCP = tcp
	if err := tcp.Start(func(p []byte) { n.in <- p }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tcp.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return n
}

func (n *node) got(t testing.TB) string {
	t.Helper()
	select {
	case p := <-n.in:
		return string(p)
	case <-time.After(await.Limit(t)):
		t.Fatal("no packet arrives")
		return ""
	}
}

var clientOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
