package tlsnet_test

import (
	"os"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

// sends sends until the packet has arrived, and returns what arrived before it.
func (n *node) sends(t *testing.T, to *node, packet string) (earlier []string) {
	t.Helper()
	certtest.Eventually(t, packet+" arrives", func() bool {
		n.Send(to.id, []byte(packet), network.Stream)
		select {
		case p := <-to.in:
			if string(p) == packet {
				return true
			}
			earlier = append(earlier, string(p))
			return false
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
	return earlier
}

// Certificates change under running nodes: a new authority is added, both nodes
// move to it one after the other, the old authority goes.
func TestNewAuthority(t *testing.T) {
	older, newer := certtest.For(t), certtest.For(t)
	dir := t.TempDir()
	ids := certtest.HoldIDs(t, 2)
	var nodes [2]*node
	var pairs [2]certtest.Pair
	ca := dir + "/ca.crt"
	setCA := func(files ...string) {
		t.Helper()
		var all []byte
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		if err := os.WriteFile(ca, all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setCA(older.CAFile)
	var logs [2]*certtest.Log
	for i, name := range []string{"a.nodes.example", "b.nodes.example"} {
		pairs[i] = certtest.Issue(t, older, certtest.Named(name))
		g, _, log := certtest.Guard(t, older, certtest.Named(name), func(c *certs.Config) {
			c.CertFile, c.KeyFile, c.CAFile = pairs[i].CertFile, pairs[i].KeyFile, ca
		})
		logs[i] = log
		nodes[i] = start(t, ids[i], g)
	}
	a, b := nodes[0], nodes[1]
	talk := func(what string) {
		t.Helper()
		a.sends(t, b, what)
		b.sends(t, a, what)
	}
	talk("old")
	if err := os.WriteFile(ca, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	certtest.Eventually(t, "the damaged file is noticed", func() bool {
		talk("damaged file")
		return logs[0].Count("cannot be used, the old ones stay") > 0
	})
	setCA(older.CAFile, newer.CAFile)
	talk("both authorities")
	for i, name := range []string{"a.nodes.example", "b.nodes.example"} {
		if err := newer.IssueTo(pairs[i], certtest.Named(name)); err != nil {
			t.Fatal(err)
		}
		read := logs[i].Count("were read again")
		certtest.Eventually(t, "the new certificate is read", func() bool {
			talk("one moved")
			return logs[i].Count("were read again") > read
		})
	}
	setCA(newer.CAFile)
	// The connections of the old certificates end by themselves.
	certtest.Eventually(t, "the old connections end", func() bool {
		talk("old authority gone")
		return a.rec.Count(event.NetReconnect, "")+b.rec.Count(event.NetReconnect, "") > 0
	})
	talk("new")
}

// Who is taken off the list loses its connection at once, and comes back when
// it is on the list again, without a restart.
func TestTakenOffTheList(t *testing.T) {
	ours := certtest.For(t)
	ga, rec, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), nil)
	gb, _, _ := certtest.Guard(t, ours, certtest.Named("b.nodes.example"), nil)
	ids := certtest.HoldIDs(t, 2)
	a, b := start(t, ids[0], ga), start(t, ids[1], gb)
	b.sends(t, a, "on the list")
	for len(a.in) > 0 {
		<-a.in
	}
	if err := ga.SetAllow([]string{"c.nodes.example"}, nil); err != nil {
		t.Fatal(err)
	}
	certtest.Eventually(t, "it is refused", func() bool {
		b.Send(a.id, []byte("off the list"), network.Stream)
		return rec.Count(event.NetRefused, "not let in any more") > 0 && rec.Count(event.NetRefused, "no name on the list") > 1
	})
	if err := ga.SetAllow(nil, nil); err == nil {
		t.Error("an empty list is taken")
	}
	for len(a.in) > 0 {
		if got := a.got(t); got == "off the list" {
			t.Fatal("a packet came through")
		}
	}
	if err := ga.SetAllow([]string{"*"}, nil); err != nil {
		t.Fatal(err)
	}
	b.sends(t, a, "on the list again")
}
