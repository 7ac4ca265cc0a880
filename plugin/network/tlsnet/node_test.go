package tlsnet_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// quiet is a state machine without a state.
type quiet struct{}

func (quiet) ID() sm.ID                        { return 1 }
func (quiet) Execute(sm.Entry) ([]byte, error) { return nil, nil }

// cluster runs three nodes, over TLS if secure says how. Their logs are in
// memory, or on the disk below dir.
func cluster(t testing.TB, secure func(i int, id nodeid.ID) *certs.Guard, dir string) []*phxpaxos.Node {
	t.Helper()
	ids := certtest.HoldIDs(t, 3)
	var nodes []*phxpaxos.Node
	for i, id := range ids {
		o := phxpaxos.Options{MyNode: id, Nodes: ids, StateMachines: []sm.StateMachine{quiet{}}}
		var n network.Network
		var err error
		if secure == nil {
			n, err = network.NewTCP(network.Config{Me: id})
		} else {
			n, err = tlsnet.New(network.Config{Me: id}, secure(i, id))
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Network = n
		if dir != "" {
			o.LogStoragePath = fmt.Sprintf("%s/%d", dir, i)
		} else {
			store, err := vfile.Open("log", 1, vfile.Options{FS: memfs.New()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			o.LogStorage = store
		}
		node, err := phxpaxos.Run(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		nodes = append(nodes, node)
	}
	return nodes
}

// A cluster of nodes whose ids are tied to their names agrees, and counts the
// strangers that it refuses; nobody had to be told who counts.
func TestNodes(t *testing.T) {
	ours := certtest.For(t)
	ties, names := map[nodeid.ID]string{}, []string{"a.nodes.example", "b.nodes.example", "c.nodes.example"}
	var guards []*certs.Guard
	nodes := cluster(t, func(i int, id nodeid.ID) *certs.Guard {
		p := certtest.Issue(t, ours, certtest.Named(names[i]))
		g, err := certs.New(certs.Config{CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: ours.CAFile, Allow: names})
		if err != nil {
			t.Fatal(err)
		}
		ties[id] = names[i]
		guards = append(guards, g)
		return g
	}, "")
	for _, g := range guards {
		if err := g.SetAllow(nil, ties); err != nil {
			t.Fatal(err)
		}
	}
	for i, node := range nodes {
		if _, err := node.Propose(t.Context(), 0, 1, []byte(names[i])); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
	}
	conn, err := net.Dial("tcp4", nodes[0].MyNodeID().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(frame("a stranger's"))
	io.Copy(io.Discard, conn)
	certtest.Eventually(t, "the node counts it", func() bool { return nodes[0].Count(event.NetRefused) == 1 })
	for _, node := range nodes[1:] {
		if n := node.Count(event.NetRefused); n != 0 {
			t.Errorf("a node was refused %d times", n)
		}
	}
}

// BenchmarkProposeBesidePlain is what TLS costs a cluster: three nodes in this
// process propose over TLS and over plain TCP in turns. It reports the median
// of the ratios of their throughput. An operation is one proposal on each.
func BenchmarkProposeBesidePlain(b *testing.B) {
	g, _, _ := certtest.Guard(b, certtest.For(b), certtest.Named("a.nodes.example"), nil)
	secure := func(int, nodeid.ID) *certs.Guard { return g }
	for _, c := range []struct {
		disk          string
		callers, size int
	}{{"none", 1, 256}, {"none", 100, 256}, {"none", 100, 10 << 10}, {"real", 100, 256}} {
		b.Run(fmt.Sprintf("disk=%s/callers=%d/size=%d", c.disk, c.callers, c.size), func(b *testing.B) {
			dirs := [2]string{}
			if c.disk == "real" {
				dirs = [2]string{b.TempDir(), b.TempDir()}
			}
			plain, encrypted := cluster(b, nil, dirs[0]), cluster(b, secure, dirs[1])
			value := make([]byte, c.size)
			run := func(nodes []*phxpaxos.Node, count int) time.Duration {
				var left atomic.Int64
				left.Store(int64(count))
				var wg sync.WaitGroup
				begin := time.Now()
				for range c.callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := nodes[0].Propose(b.Context(), 0, 1, value); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				return time.Since(begin)
			}
			run(plain, 10)
			run(encrypted, 10)
			const turns = 9
			var ratios []float64
			b.ResetTimer()
			for range turns {
				n := max(b.N/turns, 1)
				without, with := run(plain, n), run(encrypted, n)
				ratios = append(ratios, without.Seconds()/with.Seconds())
			}
			b.StopTimer()
			slices.Sort(ratios)
			b.ReportMetric(ratios[turns/2], "tls/plain")
		})
	}
}
