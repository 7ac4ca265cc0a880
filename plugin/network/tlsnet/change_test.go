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
	eventually(t, packet+" arrives", func() bool {
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
	older, newer := authority(t), authority(t)
	dir := t.TempDir()
	ids := freeIDs(t, 2)
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
	var logs [2]*lines
	for i, name := range []string{"a.nodes.example", "b.nodes.example"} {
		pairs[i] = issue(t, older, named(name))
		g, _, log := guard(t, older, named(name), func(c *certs.Config) {
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
	eventually(t, "the damaged file is noticed", func() bool {
		talk("damaged file")
		return logs[0].count("cannot be used, the old ones stay") > 0
	})
	setCA(older.CAFile, newer.CAFile)
	talk("both authorities")
	for i, name := range []string{"a.nodes.example", "b.nodes.example"} {
		if err := newer.IssueTo(pairs[i], named(name)); err != nil {
			t.Fatal(err)
		}
		read := logs[i].count("were read again")
		eventually(t, "the new certificate is read", func() bool {
			talk("one moved")
			return logs[i].count("were read again") > read
		})
	}
	setCA(newer.CAFile)
	// The connections of the old certificates end by themselves.
	eventually(t, "the old connections end", func() bool {
		talk("old authority gone")
		return a.rec.count(event.NetReconnect, "")+b.rec.count(event.NetReconnect, "") > 0
	})
	talk("new")
}

// Who is taken off the list loses its connection at once, and comes back when
// it is on the list again, without a restart.
func TestTakenOffTheList(t *testing.T) {
	ours := authority(t)
	ga, rec, _ := guard(t, ours, named("a.nodes.example"), nil)
	gb, _, _ := guard(t, ours, named("b.nodes.example"), nil)
	ids := freeIDs(t, 2)
	a, b := start(t, ids[0], ga), start(t, ids[1], gb)
	b.sends(t, a, "on the list")
	for len(a.in) > 0 {
		<-a.in
	}
	if err := ga.SetAllow([]string{"c.nodes.example"}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool {
		b.Send(a.id, []byte("off the list"), network.Stream)
		return rec.count(event.NetRefused, "not let in any more") > 0 && rec.count(event.NetRefused, "no name on the list") > 1
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
