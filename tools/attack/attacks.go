package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// refusal is the event that a cluster counts for what comes from an attacker on
// another host in the name of a member. All packets of one connection are one
// refusal with TLS, since none of them is looked at.
func (m mode) refusal() event.Kind {
	return map[mode]event.Kind{source: event.NetSourceDiffers, secret: event.NetMACMissing, mutual: event.NetRefused}[m]
}

func parseIDs(addresses []string) (ids []nodeid.ID, err error) {
	for _, a := range addresses {
		id, err := nodeid.Parse(a)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// forge sends forged packets to each node: in the name of another member, of
// the node itself, and of the attacker.
func forge(c *cluster, from *host) error {
	b, err := newBait(from, nil)
	if err != nil {
		return err
	}
	defer b.close()
	ids, err := parseIDs(c.ids)
	if err != nil {
		return err
	}
	before, err := c.states()
	if err != nil {
		return err
	}
	for i := range c.ids {
		want := map[string]int{}
		identity, err := nodeid.ParseCluster(before[i].Cluster)
		if err != nil {
			return err
		}
		for _, name := range []nodeid.ID{ids[(i+1)%len(ids)], ids[i], b.me} {
			for g := range groups {
				l := lie{header: wire.Header{Group: g, CRC: true}, from: name, at: before[i].Groups[g].Instance, members: ids, master: ids[(i+2)%len(ids)]}
				if g == 0 { // with the identity, and without it
					l.header.Identity = identity
				}
				if err := c.throw(from, i, l.all(), name == b.me, want); err != nil {
					return err
				}
			}
		}
		if err := c.counted(i, before[i], want); err != nil {
			return fmt.Errorf("%w: not counted: %w", errAttack, err)
		}
	}
	return c.unharmed(before)
}

// throw sends packets to a node over a connection of their own, and adds to
// want what the node has to count.
func (c *cluster) throw(from *host, node int, forged []forgery, ownName bool, want map[string]int) error {
	conn, err := from.dial(c.ids[node])
	if err != nil {
		return err
	}
	defer conn.Close()
	var stream []byte
	for _, f := range forged {
		stream = append(stream, frame(f.packet)...)
		switch {
		case c.mode == mutual:
		case !ownName || c.mode == secret:
			want[c.mode.refusal().String()]++
		case f.event != event.None:
			want[f.event.String()]++
		}
	}
	if c.mode == mutual {
		want[event.NetRefused.String()]++
	}
	return c.pour(conn, stream)
}

// pour writes to a node that may refuse to read on, and ends the stream.
func (c *cluster) pour(conn net.Conn, stream []byte) error {
	_, err := conn.Write(stream)
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		err = tcp.CloseWrite()
	}
	if c.mode == mutual {
		return nil // TLS ends the connection at once
	}
	return err
}

// replay sends what one node sent to another one, from another host: while the
// receiver runs, and after it was restarted.
func replay(c *cluster, from *host, to int, recorded []byte) error {
	if len(recorded) < 1000 {
		return fmt.Errorf("the recording has only %d bytes", len(recorded))
	}
	again := map[mode]event.Kind{source: event.NetSourceDiffers, secret: event.NetMACReplay, mutual: event.NetRefused}[c.mode]
	later := map[mode]event.Kind{source: event.NetSourceDiffers, secret: event.NetMACStale, mutual: event.NetRefused}[c.mode]
	for _, want := range []event.Kind{again, later} {
		before, err := c.states()
		if err != nil {
			return err
		}
		conn, err := from.dial(c.ids[to])
		if err != nil {
			return err
		}
		err = c.pour(conn, recorded)
		conn.Close()
		if err != nil {
			return err
		}
		if err := c.counted(to, before[to], map[string]int{want.String(): 1}); err != nil {
			return fmt.Errorf("%w: a repeated session is not refused: %w", errAttack, err)
		}
		if err := c.unharmed(before); err != nil {
			return err
		}
		if want == later && again != later {
			return nil
		}
		c.kill(to)
		if err := c.start(to); err != nil {
			return err
		}
	}
	return nil
}

// log is what a node of another cluster has.
type log int

const (
	empty  log = iota // nothing
	ahead             // more instances than the cluster under attack
	behind            // fewer
	logs
)

func (l log) String() string { return [logs]string{"empty", "ahead", "behind"}[l] }

// foreign runs a node of another cluster at the address of a member that went
// away. It has the member's secret and certificate, as with a copied
// configuration, so that only the cluster's identity tells it apart.
func foreign(c *cluster, at int, l log) error {
	before, err := c.states()
	if err != nil {
		return err
	}
	c.kill(at)
	set := c.setups[at]
	set.Dir = filepath.Join(c.dir, "foreign-"+l.String())
	if err := os.MkdirAll(set.Dir, 0o755); err != nil {
		return err
	}
	set.FirstStart = true
	set.Nodes = []string{set.Me}
	count := map[log]int{ahead: int(before[at].Groups[0].Instance) + 100, behind: 2}[l]
	if l == empty {
		set.Nodes = append(set.Nodes, "10.78.0.250:9999") // there is no such node
	}
	n, err := startChild(c.hosts[at], set, filepath.Join(c.dir, "foreign.log"))
	if err != nil {
		return err
	}
	defer func() { n.kill() }()
	for k := range count {
		if _, err := n.ask(request{Propose: fmt.Sprint(forgedMark, k), Group: k % groups}); err != nil {
			return err
		}
	}
	if l != empty {
		if err := identified(n); err != nil {
			return err
		}
		n.kill() // and gets the list of the cluster under attack, as if it were copied too
		set.Nodes, set.FirstStart = c.ids, false
		if n, err = startChild(c.hosts[at], set, filepath.Join(c.dir, "foreign.log")); err != nil {
			return err
		}
	}
	if err := c.unharmed(before); err != nil {
		return err
	}
	if err := c.strange(n, count); err != nil {
		return err
	}
	n.kill()
	if err := c.start(at); err != nil {
		return err
	}
	return c.unharmed(before)
}

// identified waits until a node knows the identity of its cluster.
func identified(n *child) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s, err := n.ask(request{})
		switch {
		case err != nil:
			return err
		case s.Cluster != (nodeid.Cluster{}).String():
			return nil
		case time.Now().After(end):
			return fmt.Errorf("a node of another cluster has no identity after %v", patience)
		}
	}
}

// strange checks that the node of another cluster counts this cluster's packets
// and executes nothing of it.
func (c *cluster) strange(n *child, count int) error {
	for end := time.Now().Add(patience); ; {
		s, err := n.ask(request{})
		if err != nil {
			return err
		}
		for g := range groups {
			if at := s.Groups[g]; at.Values != at.Forged || at.Values > (count+1)/groups {
				return fmt.Errorf("%w: the node of another cluster executed %d values in group %d", errAttack, at.Values, g)
			}
		}
		if s.Counts[event.PacketForeignCluster.String()] > 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: the node of another cluster counts no packet of this one", errAttack)
		}
		if err := c.write(); err != nil {
			return err
		}
	}
}
