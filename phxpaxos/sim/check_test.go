package sim

import (
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// bench is the checks of one group of three nodes, and the facts to feed them.
type bench struct {
	*checks
	r   *reporter
	ids []nodeid.ID
}

func newBench() *bench {
	r := &reporter{}
	ids := []nodeid.ID{nodeID(0), nodeID(1), nodeID(2)}
	return &bench{newChecks(r, 0, ids, 7), r, ids}
}

func (b *bench) ballot(number uint64, node int) paxos.Ballot {
	return paxos.Ballot{Number: number, Node: b.ids[node]}
}

// vote makes a node's vote durable.
func (b *bench) vote(node int, instance uint64, ballot paxos.Ballot, value string) {
	b.saved(node, &paxos.Record{Instance: instance, Promised: ballot, Accepted: ballot, Value: []byte(value)}, true)
	b.written(node, 1)
}

// promise makes a node's promise durable.
func (b *bench) promise(node int, instance uint64, ballot paxos.Ballot) {
	b.saved(node, &paxos.Record{Instance: instance, Promised: ballot}, true)
	b.written(node, 1)
}

func (b *bench) choose(instance uint64, value string) {
	b.vote(0, instance, b.ballot(1, 0), value)
	b.vote(1, instance, b.ballot(1, 0), value)
}

func (b *bench) execute(node, at int, instance uint64, value string, id uint64) {
	b.log.executed(node, at, sm.Entry{Instance: instance, Value: []byte(value)}, id)
}

// TestChecksNotice: every check lets a right history pass and finds the wrong
// step that is added to it.
func TestChecksNotice(t *testing.T) {
	tests := []struct {
		name, check string
		right       func(b *bench)
		wrong       func(b *bench)
	}{
		{"second value chosen", "agreement",
			func(b *bench) { b.choose(0, "x"); b.vote(1, 0, b.ballot(2, 2), "y") },
			func(b *bench) { b.vote(2, 0, b.ballot(2, 2), "y") }},
		{"two values under one ballot", "one value per ballot",
			func(b *bench) { b.vote(0, 0, b.ballot(1, 0), "x") },
			func(b *bench) { b.vote(1, 0, b.ballot(1, 0), "y") }},
		{"final record differs from the quorum's", "agreement",
			func(b *bench) { b.choose(0, "x") },
			func(b *bench) {
				b.log.record(2, &paxos.Record{Accepted: b.ballot(1, 0), Value: []byte("y")})
			}},
		{"final records differ", "agreement",
			func(b *bench) { b.log.record(0, &paxos.Record{Accepted: b.ballot(1, 0), Value: []byte("x")}) },
			func(b *bench) { b.log.record(1, &paxos.Record{Accepted: b.ballot(1, 0), Value: []byte("y")}) }},
		{"final record without a value", "agreement",
			func(b *bench) {},
			func(b *bench) { b.log.record(1, &paxos.Record{Promised: b.ballot(1, 0)}) }},
		{"checksums differ", "chain",
			func(b *bench) {
				b.log.record(0, &paxos.Record{Instance: 5, Accepted: b.ballot(1, 0), Value: []byte("x"), Checksum: 7})
				b.log.record(1, &paxos.Record{Instance: 5, Accepted: b.ballot(1, 0), Value: []byte("x"), Checksum: 7})
			},
			func(b *bench) {
				b.log.record(2, &paxos.Record{Instance: 5, Accepted: b.ballot(1, 0), Value: []byte("x"), Checksum: 8})
			}},
		{"checksum is not the chain's", "chain",
			func(b *bench) {
				b.log.record(0, &paxos.Record{Accepted: b.ballot(1, 0), Value: []byte("x"), Checksum: paxos.ChainChecksum(0, 0, []byte("x"))})
			},
			func(b *bench) {
				b.log.record(0, &paxos.Record{Instance: 1, Accepted: b.ballot(1, 0), Value: []byte("y"), Checksum: 1})
			}},
		{"executed without a quorum", "agreement",
			func(b *bench) { b.vote(0, 0, b.ballot(1, 0), "x") },
			func(b *bench) { b.execute(0, 0, 0, "x", 1) }},
		{"another order", "order",
			func(b *bench) {
				b.choose(0, "x")
				b.choose(1, "y")
				b.execute(0, 0, 0, "x", 1)
				b.execute(0, 1, 1, "y", 2)
				b.execute(1, 0, 0, "x", 1)
			},
			func(b *bench) { b.execute(2, 0, 1, "y", 2) }},
		{"backwards", "order",
			func(b *bench) { b.choose(0, "x"); b.choose(1, "y"); b.execute(0, 0, 1, "y", 1) },
			func(b *bench) { b.execute(0, 1, 0, "x", 2) }},
		{"executed twice", "once",
			func(b *bench) { b.choose(0, "x"); b.choose(1, "x"); b.execute(0, 0, 0, "x", 1) },
			func(b *bench) { b.execute(0, 1, 1, "x", 1) }},
		{"acknowledged elsewhere", "acknowledged",
			func(b *bench) { b.choose(0, "x"); b.execute(0, 0, 0, "x", 1); b.log.acknowledged(0, 1, 1, 0, 0) },
			func(b *bench) { b.log.acknowledged(0, 1, 1, 1, 0) }},
		{"acknowledged before executed", "acknowledged",
			func(b *bench) { b.choose(0, "x"); b.execute(0, 0, 0, "x", 1) },
			func(b *bench) { b.log.acknowledged(1, 0, 1, 0, 0) }},
		{"refused and executed later", "refused",
			func(b *bench) { b.choose(0, "x"); b.log.refuse(1) },
			func(b *bench) { b.execute(0, 0, 0, "x", 1) }},
		{"refused and executed before", "refused",
			func(b *bench) { b.choose(0, "x"); b.execute(0, 0, 0, "x", 1) },
			func(b *bench) { b.log.refuse(1) }},
		{"promise goes down", "promise never goes down (P2)",
			func(b *bench) { b.promise(0, 0, b.ballot(3, 1)); b.promise(0, 0, b.ballot(3, 2)) },
			func(b *bench) { b.saved(0, &paxos.Record{Instance: 1, Promised: b.ballot(3, 1)}, true) }},
		{"durable promise is forgotten in a crash", "promise never goes down (P2)",
			func(b *bench) { b.promise(0, 0, b.ballot(3, 1)); b.disk[0].crashed() },
			func(b *bench) { b.saved(0, &paxos.Record{Promised: b.ballot(2, 1)}, true) }},
		{"vote above the promise", "accepted <= promised (P1)",
			func(b *bench) {},
			func(b *bench) {
				b.saved(0, &paxos.Record{Promised: b.ballot(2, 1), Accepted: b.ballot(3, 1)}, true)
			}},
		{"promise leaves too early", "no reply before its record (P3)",
			func(b *bench) {
				b.promise(1, 0, b.ballot(2, 0))
				b.send(1, 0, paxos.Message{Kind: paxos.PrepareReply, Ballot: paxos.Ballot{Number: 2}})
				b.saved(1, &paxos.Record{Promised: b.ballot(3, 0)}, true)
			},
			func(b *bench) {
				b.send(1, 0, paxos.Message{Kind: paxos.PrepareReply, Ballot: paxos.Ballot{Number: 3}})
			}},
		{"promise conceals a vote", "no reply before its record (P3)",
			func(b *bench) {
				b.vote(1, 0, b.ballot(1, 2), "x")
				b.saved(1, &paxos.Record{Promised: b.ballot(2, 0), Accepted: b.ballot(1, 2), Value: []byte("x")}, true)
				b.written(1, 1)
			},
			func(b *bench) {
				b.send(1, 0, paxos.Message{Kind: paxos.PrepareReply, Ballot: paxos.Ballot{Number: 2}})
			}},
		{"vote leaves too early", "no reply before its record (P3)",
			func(b *bench) {
				b.vote(1, 0, b.ballot(2, 0), "x")
				b.send(1, 0, paxos.Message{Kind: paxos.AcceptReply, Ballot: paxos.Ballot{Number: 2}})
				b.saved(1, &paxos.Record{Instance: 1, Promised: b.ballot(2, 0), Accepted: b.ballot(2, 0)}, true)
			},
			func(b *bench) {
				b.send(1, 0, paxos.Message{Kind: paxos.AcceptReply, Instance: 1, Ballot: paxos.Ballot{Number: 2}})
			}},
		{"ballot is heard of too early", "ballot durable before it is heard of (P4)",
			func(b *bench) {
				b.promise(0, 0, b.ballot(2, 0))
				b.send(0, 1, paxos.Message{Kind: paxos.Prepare, Ballot: b.ballot(2, 0)})
			},
			func(b *bench) { b.send(0, 1, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(3, 0)}) }},
		{"ballot is used for two prepares", "fresh ballot for each prepare (P4)",
			func(b *bench) {
				b.promise(0, 0, b.ballot(2, 0))
				m := paxos.Message{Kind: paxos.Prepare, Ballot: b.ballot(2, 0)}
				b.sends.sent(0, b.ids[1], &m, 1)
				b.sends.sent(0, b.ids[2], &m, 1)
			},
			func(b *bench) {
				m := paxos.Message{Kind: paxos.Prepare, Ballot: b.ballot(2, 0)}
				b.sends.sent(0, b.ids[1], &m, 2)
			}},
		{"a value is offered without promises", "offers are backed by promises (P7)",
			func(b *bench) {
				b.promise(0, 0, b.ballot(2, 0))
				b.promise(1, 0, b.ballot(2, 0))
				b.send(0, 1, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(2, 0), Value: []byte("x")})
				b.promise(0, 0, b.ballot(3, 0))
			},
			func(b *bench) {
				b.send(0, 1, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(3, 0), Value: []byte("x")})
			}},
		{"two values are offered under a ballot", "one value per ballot",
			func(b *bench) {
				b.promise(0, 0, b.ballot(2, 0))
				b.promise(1, 0, b.ballot(2, 0))
				b.send(0, 1, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(2, 0), Value: []byte("x")})
				b.send(0, 2, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(2, 0), Value: []byte("x")})
			},
			func(b *bench) {
				b.send(0, 1, paxos.Message{Kind: paxos.Accept, Ballot: b.ballot(2, 0), Value: []byte("y")})
			}},
		{"success without a quorum", "only what is chosen is announced",
			func(b *bench) {
				b.choose(0, "x")
				b.send(0, 1, paxos.Message{Kind: paxos.Success, Ballot: b.ballot(1, 0)})
			},
			func(b *bench) { b.send(0, 1, paxos.Message{Kind: paxos.Success, Instance: 1, Ballot: b.ballot(1, 0)}) }},
		{"wrong value is taught", "only what is chosen is taught",
			func(b *bench) {
				b.choose(0, "x")
				b.send(0, 1, paxos.Message{Kind: paxos.LearnValue, Ballot: b.ballot(1, 0), Value: []byte("x")})
			},
			func(b *bench) {
				b.send(0, 1, paxos.Message{Kind: paxos.LearnValue, Ballot: b.ballot(1, 0), Value: []byte("y")})
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			test.right(b)
			if b.r.first != nil {
				t.Fatalf("a right history is called wrong: %v", b.r.first)
			}
			test.wrong(b)
			if b.r.first == nil || b.r.first.Check != test.check {
				t.Errorf("got %v, want a violation of %s", b.r.first, test.check)
			}
		})
	}
}

// TestDiskNotices: after a crash a durable record has to be there, in its
// durable form or in one that was on its way.
func TestDiskNotices(t *testing.T) {
	b := newBench()
	record := func(number uint64, value string) *paxos.Record {
		return &paxos.Record{Instance: 4, Promised: b.ballot(number, 0), Accepted: b.ballot(number, 0), Value: []byte(value)}
	}
	b.vote(0, 4, b.ballot(1, 0), "x")
	b.saved(0, record(2, "y"), true)
	d := b.disk[0]
	d.crashed()
	for _, test := range []struct {
		what string
		got  bool
		want bool
	}{
		{"the durable record", d.found(record(1, "x")), true},
		{"the record that was on its way", d.found(record(2, "y")), true},
		{"another value", d.found(record(1, "z")), false},
		{"another ballot", d.found(record(3, "x")), false},
		{"nothing where nothing was durable", d.absent(5), true},
		{"nothing where a record was durable", d.absent(4), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %v, want %v", test.what, test.got, test.want)
		}
	}
}

func (b *bench) send(from, to int, m paxos.Message) { b.sends.sent(from, b.ids[to], &m, 1) }

// TestCallsNotice: the histories of clients, with the log's order known or
// not.
func TestCallsNotice(t *testing.T) {
	const s = time.Second
	type call struct {
		kind       opKind
		id, result uint64
		from, to   time.Duration // to 0: unknown outcome
		place      int           // in the log, -1 for nowhere
	}
	tests := []struct {
		name  string
		calls []call
		ok    bool
	}{
		{"one after the other", []call{{opPut, 1, 0, 1 * s, 2 * s, 0}, {opGet, 2, 1, 3 * s, 4 * s, 1}}, true},
		{"stale read", []call{{opPut, 1, 0, 1 * s, 2 * s, 0}, {opGet, 2, 0, 3 * s, 4 * s, 1}}, false},
		{"read of the future", []call{{opGet, 2, 1, 1 * s, 2 * s, 0}, {opPut, 1, 0, 3 * s, 4 * s, 1}}, false},
		{"at once, read first", []call{{opPut, 1, 0, 1 * s, 4 * s, 1}, {opGet, 2, 0, 2 * s, 3 * s, 0}}, true},
		{"swap sees the put", []call{{opPut, 1, 0, 1 * s, 2 * s, 0}, {opSwap, 2, 1, 3 * s, 4 * s, 1}, {opGet, 3, 2, 5 * s, 6 * s, 2}}, true},
		{"lost swap", []call{{opSwap, 1, 0, 1 * s, 2 * s, 0}, {opSwap, 2, 0, 3 * s, 4 * s, 1}}, false},
		{"unknown write seen later", []call{{opPut, 1, 0, 1 * s, 0, 1}, {opGet, 2, 0, 2 * s, 3 * s, 0}, {opGet, 3, 1, 4 * s, 5 * s, 2}}, true},
		{"unknown write seen and gone", []call{{opPut, 1, 0, 1 * s, 0, 0}, {opGet, 2, 1, 2 * s, 3 * s, 1}, {opGet, 3, 0, 4 * s, 5 * s, 2}}, false},
		{"unknown write never seen", []call{{opPut, 1, 0, 1 * s, 0, -1}, {opGet, 2, 0, 2 * s, 3 * s, 0}}, true},
		{"log against real time", []call{{opPut, 1, 0, 1 * s, 2 * s, 1}, {opPut, 2, 0, 3 * s, 4 * s, 0}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &reporter{}
			c := newCallCheck(r, 0)
			places := map[uint64]int{}
			for _, call := range test.calls {
				if call.place >= 0 {
					places[call.id] = call.place
				}
				if call.to == 0 {
					c.unknown(0, call.kind, 1, call.id, call.from)
				} else {
					c.ended(0, call.kind, 1, call.id, call.result, call.from, call.to)
				}
			}
			c.judge(func(id uint64) (int, bool) { at, ok := places[id]; return at, ok })
			if (r.first == nil) != test.ok {
				t.Errorf("got %v, want ok=%v", r.first, test.ok)
			}
		})
	}
}
