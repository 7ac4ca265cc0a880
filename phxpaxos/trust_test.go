package phxpaxos

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

func someSecret(mode network.SecretMode) network.Secret {
	return network.Secret{Key: []byte("the secret of the tests"), Mode: mode}
}

// socketCluster is a cluster over the default network.
func socketCluster(t *testing.T, change func(i int, o *Options)) *cluster {
	t.Helper()
	all := freeIDs(t, 3)
	return newCluster(t, len(all), 1, func(i int, o *Options) {
		o.MyNode, o.Nodes, o.Network = all[i], all, nil
		change(i, o)
	})
}

func (c *cluster) propose(i, count int) {
	c.t.Helper()
	for k := range count {
		if _, err := c.nodes[i].Propose(await.Context(c.t), 0, 1, fmt.Appendf(nil, "value %d of node %d", k, i)); err != nil {
			c.t.Fatalf("node %d: %v", i, err)
		}
	}
}

// doubts adds up the events of the kinds about doubtful packets over all nodes.
func (c *cluster) doubts() map[event.Kind]uint64 {
	counts := map[event.Kind]uint64{}
	for _, n := range c.nodes {
		for k := event.NetSourceDiffers; k <= event.NetMACSender; k++ {
			if count := n.Count(k); count > 0 {
				counts[k] += count
			}
		}
	}
	return counts
}

// A cluster goes from no secret to a required one, and from that to another
// one, one node at a time, and decides at every step.
func TestSecretIsIntroducedAndReplaced(t *testing.T) {
	key, other := someSecret(0).Key, network.SecretKey("another secret of the tests")
	c := socketCluster(t, func(int, *Options) {})
	values := 0
	for _, secret := range []network.Secret{
		{Key: key, Mode: network.SecretSend},
		{Key: key, Mode: network.SecretRequire},
		{Key: key, Also: other, Mode: network.SecretRequire},
		{Key: other, Also: key, Mode: network.SecretRequire},
		{Key: other, Mode: network.SecretRequire},
	} {
		for i := range c.nodes {
			c.options[i].ClusterSecret = secret
			c.restart(i)
			for j := range c.nodes {
				c.propose(j, 1)
			}
			if values += len(c.nodes); len(c.agree(0, values)) != values {
				t.Fatalf("more values than the %d proposed ones", values)
			}
		}
	}
	for k, n := range c.doubts() {
		// A node that was started again is addressed as the last one for a moment.
		if k != event.NetMACStale && k != event.NetMACMissing {
			t.Errorf("%d events %v", n, k)
		}
	}
}

// forge writes a packet in the name of a node to another one.
func forge(t *testing.T, to nodeid.ID, packet []byte) {
	t.Helper()
	raw, err := net.Dial("tcp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if _, err := raw.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4)), packet...)); err != nil {
		t.Fatal(err)
	}
}

// With a required secret nothing that a stranger sends reaches a group. Without
// one, a ballot in the name of a member does.
func TestStrangerWithoutTheSecret(t *testing.T) {
	for _, mode := range []network.SecretMode{network.SecretUnset, network.SecretSend, network.SecretRequire} {
		c := socketCluster(t, func(_ int, o *Options) {
			if mode != network.SecretUnset {
				o.ClusterSecret = someSecret(mode)
			}
		})
		c.propose(0, 3)
		c.agree(0, 3)
		me := c.options[1].MyNode
		forge(t, me, wire.AppendMessage(nil, wire.Header{CRC: true}, &paxos.Message{
			Kind: paxos.Prepare, Instance: 3, From: c.options[2].MyNode, Ballot: paxos.Ballot{Number: 1 << 50, Node: c.options[2].MyNode},
		}))
		forge(t, me, []byte("no packet at all"))
		if mode == network.SecretRequire {
			await.True(t, "both are dropped", func() bool { return c.nodes[1].Count(event.NetMACMissing) == 2 })
			if n := c.nodes[1].Count(event.PacketBadGroup); n != 0 {
				t.Errorf("%d dropped packets were looked into", n)
			}
		} else {
			await.True(t, "the second reaches the node", func() bool { return c.nodes[1].Count(event.PacketBadGroup) == 1 })
		}
		c.propose(1, 1)
		c.agree(0, 4)
		c.close()
		clear(c.nodes)
	}
}

// Members of one machine's several addresses do not refuse one another.
func TestMembersAtSeveralAddresses(t *testing.T) {
	all := freeIDs(t, 3)
	for i := range all {
		all[i] = nodeid.ID(uint64(all[i])&0xffffffff | uint64(127|(i+1)<<24)<<32) // 127.0.0.1, .2, .3
	}
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		o.MyNode, o.Nodes, o.Network = all[i], all, nil
		o.SourceCheck, o.UDPMaxSize = network.SourceRefuse, 4096*(i%2)
	})
	for i := range c.nodes {
		c.propose(i, 5)
	}
	c.agree(0, 15)
	if d := c.doubts(); len(d) != 0 {
		t.Errorf("counted %v", d)
	}
	forge(t, all[0], wire.AppendMessage(nil, wire.Header{CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: all[1]}))
	await.True(t, "a forged sender is counted", func() bool { return c.nodes[0].Count(event.NetSourceDiffers) == 1 })
}
