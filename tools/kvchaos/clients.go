package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// callTimeout ends a call. What a write came to is then unknown.
const callTimeout = time.Second

// never is when a call without an answer returned: it may take effect at any
// time.
const never = math.MaxInt64

// history is what clients did to the keys of one epoch.
type history struct {
	start  time.Time
	mu     sync.Mutex
	ops    map[string][]porcupine.Operation
	counts counts
}

// counts is what the summary tells.
type counts struct {
	Puts, Deletes, Reads, Conflicts, Refused, Unknown int
}

func (c *counts) add(o counts) {
	c.Puts += o.Puts
	c.Deletes += o.Deletes
	c.Reads += o.Reads
	c.Conflicts += o.Conflicts
	c.Refused += o.Refused
	c.Unknown += o.Unknown
}

// done is how many calls got an answer that says what happened.
func (c *counts) done() int { return c.Puts + c.Deletes + c.Reads + c.Conflicts }

func newHistory() *history {
	return &history{start: time.Now(), ops: map[string][]porcupine.Operation{}}
}

func (h *history) snapshot() counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// chaosClient makes one call after the other, each at a server of its choice.
type chaosClient struct {
	id      int
	o       options
	rand    *rand.Rand
	clients []*client.Client  // by server
	known   map[string]uint64 // versions
	stale   map[string]bool   // somebody else was first: look before the next write
	counter int
}

func newChaosClient(id int, o options, grpc []string, seed uint64) *chaosClient {
	c := &chaosClient{id: id, o: o, rand: rand.New(rand.NewPCG(seed, uint64(id)+1)), known: map[string]uint64{}, stale: map[string]bool{}}
	for _, address := range grpc {
		c.clients = append(c.clients, client.New(address, client.Options{}))
	}
	return c
}

func (c *chaosClient) close() {
	for _, k := range c.clients {
		k.Close()
	}
}

// run works on some keys until ctx ends.
func (c *chaosClient) run(ctx context.Context, keys []string, h *history) {
	clear(c.known)
	clear(c.stale)
	for ctx.Err() == nil {
		if c.o.pace > 0 {
			if pass(ctx, time.Duration(c.rand.Int64N(int64(c.o.pace)))) != nil {
				return
			}
		}
		c.step(keys[c.rand.IntN(len(keys))], h)
	}
}

// step makes one call and notes it.
func (c *chaosClient) step(key string, h *history) {
	in := access{kind: get}
	switch dice := c.rand.IntN(20); {
	case dice < 11 && c.stale[key]:
	case dice < 9:
		c.counter++
		in = access{kind: put, version: c.known[key], value: fmt.Sprintf("%d.%d", c.id, c.counter)}
	case dice < 11:
		in = access{kind: del, version: c.known[key]}
	case dice < 12: // a version that is wrong, or that somebody will reach
		c.counter++
		in = access{kind: put, version: c.known[key] + uint64(c.rand.IntN(3)), value: fmt.Sprintf("%d.%d", c.id, c.counter)}
	}
	k := c.clients[c.rand.IntN(len(c.clients))]
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: int64(time.Since(h.start))}
	var answer client.Answer
	switch in.kind {
	case put:
		answer = k.Put(ctx, key, []byte(in.value), in.version)
	case del:
		answer = k.Delete(ctx, key, in.version)
	default:
		answer = k.GetGlobal(ctx, key)
	}
	op.Return = int64(time.Since(h.start))
	c.learn(key, in, answer)
	h.note(key, op, in, answer)
}

// learn remembers the version of a key as far as this client knows.
func (c *chaosClient) learn(key string, in access, a client.Answer) {
	switch {
	case in.kind == get && (a.Code == phxkv.CodeOK || a.Code == phxkv.CodeNotExist):
		c.known[key], c.stale[key] = a.Data.Version, false
	case in.kind != get && a.Code == phxkv.CodeVersionConflict:
		c.stale[key] = true
	case in.kind != get && a.Code == phxkv.CodeOK:
		c.known[key] = in.version + 1
	}
}

// note adds a call to the history, unless it can have had no effect and says
// nothing.
func (h *history) note(key string, op porcupine.Operation, in access, a client.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case a.Code == phxkv.CodeNoMaster, a.Code == phxkv.CodeFail && refused(a.Err):
		h.counts.Refused++
		return
	case a.Code == phxkv.CodeFail && in.kind == get:
		h.counts.Unknown++
		return
	case a.Code == phxkv.CodeFail:
		h.counts.Unknown++
		op.Output, op.Return = outcome{unknown: true}, never
	case in.kind == get:
		h.counts.Reads++
		op.Output = outcome{version: a.Data.Version, value: string(a.Data.Value), exists: a.Code == phxkv.CodeOK}
	case a.Code == phxkv.CodeVersionConflict:
		h.counts.Conflicts++
		op.Output = outcome{conflict: true}
	case in.kind == put:
		h.counts.Puts++
		op.Output = outcome{}
	default:
		h.counts.Deletes++
		op.Output = outcome{}
	}
	h.ops[key] = append(h.ops[key], op)
}

// refused reports whether a failure says that the call reached no server that
// could have carried it out.
func refused(err error) bool {
	text := fmt.Sprint(err)
	return strings.Contains(text, "connect: connection refused") || strings.Contains(text, "servers sent this call on")
}
