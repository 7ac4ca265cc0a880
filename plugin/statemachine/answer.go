package statemachine

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// slowAfter is when a query is slow: another goroutine then goes on with those
// behind it. It is many times what a lookup takes, and nothing to who waits.
const slowAfter = time.Millisecond

// answerer answers the questions of one stream in the child. How many there
// are is up to the host.
type answerer struct {
	querier Querier
	ctx     context.Context
	wake    chan struct{}  // holds a token when there is something to send
	open    sync.WaitGroup // of the questions that are not answered

	mu    sync.Mutex
	ready []*pb.Answer
	asked map[uint64]*questionContext // that are not answered
}

func newAnswerer(ctx context.Context, querier Querier) *answerer {
	return &answerer{querier: querier, ctx: ctx, wake: make(chan struct{}, 1), asked: map[uint64]*questionContext{}}
}

// Queries answers questions until the stream ends.
func (s *server) Queries(stream grpc.BidiStreamingServer[pb.Questions, pb.Answers]) error {
	if s.querier == nil {
		return status.Error(codes.Unimplemented, "the state machine is no statemachine.Querier")
	}
	a := newAnswerer(stream.Context(), s.querier)
	end := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { a.send(stream, end) })
	err := a.receive(stream)
	a.open.Wait()
	close(end)
	sending.Wait()
	return err
}

func (a *answerer) receive(stream grpc.BidiStreamingServer[pb.Questions, pb.Answers]) error {
	defer a.cancelAll()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = a.take(m)
		}
		if err != nil {
			return err
		}
	}
}

// take begins with what a message asks, up to what is wrong with it.
func (a *answerer) take(m *pb.Questions) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &batch{a: a, contexts: make([]questionContext, len(m.Questions))}
	for i, q := range m.Questions {
		if a.asked[q.Number] != nil {
			err = status.Errorf(codes.InvalidArgument, "query %d was asked before, and is not answered", q.Number)
			break
		}
		b.contexts[i].Context = a.ctx
		a.asked[q.Number] = &b.contexts[i]
		a.open.Add(1)
		b.questions = m.Questions[:i+1]
	}
	for _, number := range m.Cancelled {
		if c := a.asked[number]; c != nil {
			c.cancel()
		}
	}
	if len(b.questions) > 0 {
		b.slow = time.AfterFunc(slowAfter, b.help)
		go b.work()
	}
	return err
}

// cancelAll tells all queries that nobody waits.
func (a *answerer) cancelAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.asked {
		c.cancel()
	}
}

// batch is the questions of one message. One goroutine answers one after the
// other; where one is slow, a further one goes on with the rest.
type batch struct {
	a         *answerer
	questions []*pb.Question
	contexts  []questionContext
	next      atomic.Int64
	slow      *time.Timer
}

func (b *batch) work() {
	for i := b.next.Add(1) - 1; i < int64(len(b.questions)); i = b.next.Add(1) - 1 {
		b.a.answer(&b.contexts[i], b.questions[i])
	}
	b.slow.Stop()
	poke(b.a.wake)
}

// help sends what is ready, and goes on with what nobody works at.
func (b *batch) help() {
	b.a.mu.Lock() // take is through with it
	defer b.a.mu.Unlock()
	poke(b.a.wake)
	if b.next.Load() < int64(len(b.questions)) {
		b.slow.Reset(slowAfter)
		go b.work()
	}
}

func (a *answerer) answer(ctx context.Context, q *pb.Question) {
	response, err := a.querier.Query(ctx, int(q.Group), q.Request)
	answer := &pb.Answer{Number: q.Number, Response: response}
	if err != nil {
		answer.Response, answer.Failed, answer.Error = nil, true, err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.asked, q.Number)
	a.ready = append(a.ready, answer)
	a.open.Done()
}

// send is the goroutine that sends answers, until end is closed.
func (a *answerer) send(stream grpc.BidiStreamingServer[pb.Questions, pb.Answers], end <-chan struct{}) {
	for ended := false; !ended; {
		select {
		case <-a.wake:
		case <-end:
			ended = true
		}
		for m := a.next(); m != nil; m = a.next() {
			if stream.Send(m) != nil {
				break // receiving fails as well; answers are of no use any more
			}
		}
	}
}

// next returns what is to be sent next, or nil.
func (a *answerer) next() *pb.Answers {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) == 0 {
		return nil
	}
	m := &pb.Answers{}
	m.Answers, a.ready = fill(a.ready, func(answer *pb.Answer) int { return len(answer.Response) })
	return m
}

// questionContext is the context of a query: that of the stream, which also
// ends when nobody waits for the answer. Few queries look at it, so it has
// nothing that one would have to make before.
type questionContext struct {
	context.Context

	mu   sync.Mutex
	done chan struct{} // nil until somebody looks
	err  error
}

func (c *questionContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *questionContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *questionContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
}
