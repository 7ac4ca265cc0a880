package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// TestMain lets the test binary stand in for the program when it is started
// again as the process of a node.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// local starts a cluster on loopback and waits until it works.
func local(t *testing.T, m mode, members bool) (c *cluster, ids []nodeid.ID) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real processes for some seconds")
	}
	ids, release, err := freeaddr.Hold(nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	var addresses []string
	for _, id := range ids {
		addresses = append(addresses, id.String())
	}
	c, err = newCluster(m, members, []*host{loopback, loopback, loopback}, addresses, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if err := errors.Join(c.write(), c.settle()); err != nil {
		t.Fatal(err)
	}
	return c, ids
}

func (c *cluster) see(t *testing.T) []state {
	t.Helper()
	all, err := c.states()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What docs/senders.md says of clear text: nothing of what an attacker sends in
// its own name changes anything, everybody is taught, and a member is whoever
// says so.
func TestClearText(t *testing.T) {
	c, ids := local(t, clear, true)
	b, err := newBait(loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	before := c.see(t)

	want := map[string]int{}
	for g := range groups {
		l := lie{header: wire.Header{Group: g, CRC: true}, from: b.me, at: before[0].Groups[g].Instance, master: ids[1]}
		if err := c.throw(loopback, 0, l.all(), true, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.counted(0, before[0], want), c.unharmed(before)); err != nil {
		t.Fatalf("in its own name: %v", err)
	}

	ask := lie{header: wire.Header{CRC: true}, from: b.me}
	await.True(t, "an unknown address is taught what was proposed", func() bool {
		if err := b.send(c.ids[0], ask.packet(paxos.Message{Kind: paxos.AskForLearn}), ask.packet(paxos.Message{Kind: paxos.Confirm})); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, v := range b.values {
			if strings.Contains(string(v), "value 0 of node 0") {
				return true
			}
		}
		return false
	})

	// In the name of a member what cannot be is refused all the same.
	refused := map[string]int{}
	l := lie{header: wire.Header{CRC: true}, from: ids[1], at: before[0].Groups[0].Instance, master: ids[2]}
	l.header.Identity, err = nodeid.ParseCluster(before[0].Cluster)
	if err != nil {
		t.Fatal(err)
	}
	var forged []forgery
	for _, f := range l.all() {
		if f.event == event.MessageAbsurd {
			forged = append(forged, f)
		}
	}
	if err := c.throw(loopback, 0, forged, true, refused); err != nil {
		t.Fatal(err)
	}
	if err := c.unharmed(before); err != nil {
		t.Fatalf("absurd numbers in the name of a member: %v", err)
	}
	if err := c.counted(0, before[0], refused); err != nil {
		t.Fatal(err)
	}
	c.writesInTheNameOf(t, ids[1], l.header)
}

// writesInTheNameOf checks that an attacker on this host, which may state any
// sender, gets a value of its own executed by node 0.
func (c *cluster) writesInTheNameOf(t *testing.T, name nodeid.ID, h wire.Header) {
	t.Helper()
	await.True(t, "a forged value is executed", func() bool {
		at := c.see(t)[0].Groups[0]
		l := lie{header: h, from: name, at: at.Instance}
		conn, err := loopback.dial(c.ids[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		stream := append(frame(l.packet(paxos.Message{Kind: paxos.Accept, Instance: l.at, Ballot: l.ballot(), Value: l.value()})),
			frame(l.packet(paxos.Message{Kind: paxos.Success, Instance: l.at, Ballot: l.ballot()}))...)
		if err := c.pour(conn, stream); err != nil {
			t.Fatal(err)
		}
		return at.Forged > 0
	})
}

// From another address of loopback than the nodes', nothing passes. From
// theirs, SourceCheck is no help, and docs/networks.md says so.
func TestSourceOnOneMachine(t *testing.T) {
	c, ids := local(t, source, false)
	if err := forge(c, &host{address: "127.0.0.9"}); err != nil {
		t.Fatal(err)
	}
	identity, err := nodeid.ParseCluster(c.see(t)[0].Cluster)
	if err != nil {
		t.Fatal(err)
	}
	c.writesInTheNameOf(t, ids[1], wire.Header{CRC: true, Identity: identity})
}

// With a secret or with TLS, nothing passes from the same address either.
func TestSecretsOnOneMachine(t *testing.T) {
	for _, m := range []mode{secret, mutual} {
		t.Run(string(m), func(t *testing.T) {
			c, _ := local(t, m, true)
			if err := forge(c, loopback); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNamespacesThatCannotBeMade(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // there is no ip
	if err := attackAll(false, "", &strings.Builder{}); !errors.Is(err, errHosts) || !strings.Contains(err.Error(), "iproute2") {
		t.Errorf("error %v", err)
	}
}
