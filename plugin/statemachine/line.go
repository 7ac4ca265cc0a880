package statemachine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"

	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

const (
	// linesMax is how many groups have a connection of their own, since each
	// takes a file descriptor in both processes. Further ones share gRPC's.
	linesMax = 512

	// aheadMax is how many requests of a group may be unanswered. More would
	// not make it quicker.
	aheadMax = 64
)

// line carries the requests of one group to a process.
type line interface {
	// exchange sends a request and waits for the response. It ends with the
	// life of the process.
	exchange(*pb.ExecuteRequest) (*pb.ExecuteResponse, error)
}

// open makes a line for g.
func (h *host) open(l *life, g *group) (line, error) {
	if l.desc.ExecuteSocket == "" || l.lines.Add(1) > linesMax {
		stream, err := l.rpc.Execute(l.ctx)
		return streamLine{stream}, err
	}
	conn, err := net.Dial("unix", l.desc.ExecuteSocket)
	if err != nil {
		return nil, fmt.Errorf("it says where to connect for Execute, and: %w", err)
	}
	context.AfterFunc(l.ctx, func() { conn.Close() })
	p := &pipeline{l: l, frames: newFrames(conn), given: make(chan given, aheadMax), collected: make(chan struct{}, 1)}
	go p.collect(func(r *pb.ExecuteResponse, what given) error { return h.collect(l, g, what, r) })
	return p, nil
}

// streamLine is for programs without a socket for Execute.
type streamLine struct {
	stream grpc.BidiStreamingClient[pb.ExecuteRequest, pb.ExecuteResponse]
}

func (s streamLine) exchange(r *pb.ExecuteRequest) (*pb.ExecuteResponse, error) {
	// Why sending failed is what receiving says.
	if err := s.stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s.stream.Recv()
}

// pipeline is a line on a connection of its own. Where nobody waits for
// results a request need not be answered before the next is sent: the group
// goes on to vote while the process executes. If the process fails, what it
// was given comes again from the log, as always.
//
// One goroutine gives, another one collects what was not waited for. Who waits
// reads the response itself, when nothing is left to collect, since handing it
// over would wake one more thread.
type pipeline struct {
	*frames
	l     *life
	sent  uint64 // without waiting; of the goroutine that gives
	given chan given

	done      atomic.Uint64 // of those that were sent without waiting
	collected chan struct{} // holds a token when done has grown
}

// given is what a request holds.
type given struct {
	count  int      // entries
	behind position // the last one
}

// exchange implements line; nothing may be left to collect.
func (p *pipeline) exchange(r *pb.ExecuteRequest) (*pb.ExecuteResponse, error) {
	if err := p.send(r); err != nil {
		return nil, err
	}
	response := &pb.ExecuteResponse{}
	return response, p.receive(response)
}

// give sends a request and does not wait, unless too many are unanswered.
func (p *pipeline) give(r *pb.ExecuteRequest, what given) error {
	select {
	case p.given <- what:
	case <-p.l.ctx.Done():
		return p.l.interrupted()
	}
	p.sent++
	return p.send(r)
}

// drain waits until nothing is unanswered.
func (p *pipeline) drain() error {
	for p.done.Load() != p.sent {
		select {
		case <-p.collected:
		case <-p.l.ctx.Done():
			return p.l.interrupted()
		}
	}
	return nil
}

// collect is the goroutine that receives what nobody waits for. It ends with
// the life.
func (p *pipeline) collect(take func(*pb.ExecuteResponse, given) error) {
	timer := p.l.watchdog()
	timer.Stop()
	for {
		select {
		case what := <-p.given:
			var response pb.ExecuteResponse
			timer.Reset(p.l.opts.CallTimeout)
			err := p.receive(&response)
			timer.Stop()
			if err == nil {
				err = take(&response, what)
			}
			if err != nil {
				p.l.condemn(err)
				return
			}
			p.done.Add(1)
			poke(p.collected)
		case <-p.l.ctx.Done():
			return
		}
	}
}

// send sends a request. Why that failed is what receiving says.
func (p *pipeline) send(m *pb.ExecuteRequest) error {
	err := p.frames.send(m)
	if broken := (*net.OpError)(nil); err == nil || errors.As(err, &broken) {
		return nil
	}
	return fmt.Errorf("send entries: %w", err)
}

func (p *pipeline) receive(m *pb.ExecuteResponse) error {
	if err := p.frames.receive(m); err != nil {
		return fmt.Errorf("receive results: %w", err)
	}
	return nil
}
