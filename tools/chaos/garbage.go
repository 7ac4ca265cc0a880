package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// garbageEvery is the pace at each port of each node: enough to be in the way
// of every real packet, little enough for two cores to go on.
const garbageEvery = time.Millisecond

// noticed are the events that say that a node saw something that is not a
// packet, or not one for it.
var noticed = []event.Kind{
	event.PacketShort, event.PacketHeaderTooLong, event.PacketChecksum, event.PacketCRC,
	event.PacketMalformed, event.PacketBadGroup, event.PacketForeignCluster,
	event.MessageUnknown, event.MessageNotMember, event.NetTCPShort, event.NetTooLarge,
}

// garbage throws damaged packets at both ports of every node for the time
// that the options say, and checks that the nodes notice and go on.
func (r *runner) garbage(ctx context.Context) error {
	err := r.until(ctx, "the nodes send no packets", func() bool { return r.sample(0) != nil })
	if err != nil {
		return err
	}
	r.show.Say(fmt.Sprintf("throwing garbage at TCP and UDP of %d nodes for %v", r.o.Nodes, r.o.Garbage))
	before, _, _ := r.snapshot()
	throwing, cancel := context.WithTimeout(ctx, r.o.Garbage)
	defer cancel()
	var sent atomic.Uint64
	var wg sync.WaitGroup
	for i, id := range r.ids {
		for class, throw := range []func(context.Context, nodeid.ID, *source, *atomic.Uint64){throwUDP, throwTCP} {
			s := &source{
				rand:   rand.New(rand.NewPCG(r.o.Seed, uint64(2*i+class+1))),
				sample: r.sample,
			}
			wg.Go(func() { throw(throwing, id, s, &sent) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	after, _, _ := r.snapshot()
	r.show.Say(fmt.Sprintf("%d pieces of garbage sent; %d values acknowledged meanwhile", sent.Load(), after.Acked-before.Acked))
	if after.Acked == before.Acked {
		r.Violate("no value was acknowledged under garbage")
	}
	if err := r.tellNoticed(ctx); err != nil {
		return err
	}
	return errors.Join(r.allGoOn(ctx), r.step(ctx))
}

// tellNoticed shows what each node counted; a node that saw nothing wrong
// would not have looked.
func (r *runner) tellNoticed(ctx context.Context) error {
	all, err := r.statuses(ctx)
	if err != nil {
		return err
	}
	for i, s := range all {
		var parts []string
		total := uint64(0)
		for _, kind := range noticed {
			if n := s.Counts[kind.String()]; n > 0 {
				parts = append(parts, fmt.Sprintf("%v %d", kind, n))
				total += n
			}
		}
		r.show.Say(fmt.Sprintf("node %d dropped %d: %s", i, total, strings.Join(parts, ", ")))
		if total == 0 {
			r.Violate("node %d has not noticed any garbage", i)
		}
	}
	return nil
}

// source makes garbage.
type source struct {
	rand   *rand.Rand
	sample func(n int) []byte
}

// piece returns one packet that no node may act upon.
//
// Damage to a real packet stays within one byte. More would be unfair: bytes
// that turn the strong checksum into an unknown field, and further ones that
// the original's sparse checksum does not cover, make a packet that is valid
// for an original node as well.
func (s *source) piece() []byte {
	real := s.sample(s.rand.IntN(packetsMax))
	switch s.rand.IntN(6) {
	case 0: // noise
		return s.noise(1 + s.rand.IntN(1500))
	case 1: // noise behind the number of a group that exists
		return append(make([]byte, 4), s.noise(s.rand.IntN(100))...)
	case 2: // cut
		return slices.Clone(real[:s.rand.IntN(len(real))])
	case 3: // a tail too much
		return append(slices.Clone(real), s.noise(1+s.rand.IntN(50))...)
	case 4: // a byte replaced
		damaged := slices.Clone(real)
		damaged[s.rand.IntN(len(damaged))] ^= byte(1 + s.rand.IntN(255))
		return damaged
	default: // a bit flipped
		damaged := slices.Clone(real)
		damaged[s.rand.IntN(len(damaged))] ^= 1 << s.rand.IntN(8)
		return damaged
	}
}

func (s *source) noise(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(s.rand.Uint32())
	}
	return b
}

// frame returns what to write to a TCP connection: mostly a whole frame with
// garbage in it, sometimes a broken frame.
func (s *source) frame() []byte {
	piece := s.piece()
	length := uint32(len(piece) + 4)
	switch s.rand.IntN(20) {
	case 0: // any length at all
		length = s.rand.Uint32()
	case 1: // shorter than the length itself
		length = uint32(s.rand.IntN(5))
	case 2: // no frame
		return piece
	}
	return append(binary.BigEndian.AppendUint32(nil, length), piece...)
}

func throwUDP(ctx context.Context, to nodeid.ID, s *source, sent *atomic.Uint64) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to.AddrPort()))
	if err != nil {
		return // nothing is sent, which the counters show
	}
	defer conn.Close()
	paced(ctx, func() {
		if _, err := conn.Write(s.piece()); err == nil {
			sent.Add(1)
		}
	})
}

// throwTCP keeps a connection as long as the node does. Now and then it hangs
// up within a frame.
func throwTCP(ctx context.Context, to nodeid.ID, s *source, sent *atomic.Uint64) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	dialer := net.Dialer{Timeout: time.Second}
	paced(ctx, func() {
		if conn == nil {
			conn, _ = dialer.DialContext(ctx, "tcp4", to.String())
			if conn == nil {
				return
			}
		}
		frame := s.frame()
		hangUp := s.rand.IntN(50) == 0
		if hangUp {
			frame = frame[:s.rand.IntN(len(frame)+1)]
		}
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := conn.Write(frame)
		if err == nil {
			sent.Add(1)
		}
		if err != nil || hangUp {
			conn.Close()
			conn = nil
		}
	})
}

// paced calls throw at the pace of garbageEvery until ctx ends.
func paced(ctx context.Context, throw func()) {
	tick := time.NewTicker(garbageEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			throw()
		case <-ctx.Done():
			return
		}
	}
}
