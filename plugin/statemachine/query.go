package statemachine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

const (
	// questionsMax and questionBytes are when a message of questions or answers
	// is full: by then sending costs little for each, and whoever is next should
	// not wait for more to be made. A larger one is alone.
	questionsMax  = 1024
	questionBytes = 1 << 20
)

// query asks a process. An error means that the life is over, or ctx.
func (l *life) query(ctx context.Context, group int, request []byte) (*pb.Answer, error) {
	if l.asker != nil {
		return l.asker.ask(ctx, group, request)
	}
	within, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	r, err := callWithin(within, l, l.opts.CallTimeout, l.rpc.Query, &pb.QueryRequest{Group: int32(group), Request: request})
	if err != nil {
		return nil, err
	}
	return &pb.Answer{Response: r.Response, Failed: r.Failed, Error: r.Error}, nil
}

// asker puts the queries of all callers on one stream. A call of its own for
// each costs both processes several times what a small query does; callers
// tend to come together, when a round has ended that they waited for.
//
// What waits is bounded by those who wait for it: each caller has one question.
type asker struct {
	l    *life
	wake chan struct{} // holds a token when there is something to send

	mu        sync.Mutex
	over      bool   // nothing is answered any more
	last      uint64 // number that was given last
	waiting   []*pb.Question
	cancelled []uint64
	open      map[uint64]asked // questions that are not answered
	watched   bool             // look is going to be called
}

// asked is a question that somebody waits for.
type asked struct {
	at     time.Time
	answer chan *pb.Answer // takes one; closed if there will be none
}

func newAsker(l *life) *asker {
	return &asker{l: l, wake: make(chan struct{}, 1), open: map[uint64]asked{}}
}

// startAsker opens the stream. Its goroutines end with the life.
func (l *life) startAsker() error {
	stream, err := l.rpc.Queries(l.ctx)
	if err != nil {
		return err
	}
	l.asker = newAsker(l)
	go l.asker.send(stream)
	go l.asker.receive(stream)
	return nil
}

// ask waits for an answer. It waits for its own channel and context alone:
// what all callers share would be a lock that all of them meet at.
func (a *asker) ask(ctx context.Context, group int, request []byte) (*pb.Answer, error) {
	q := asked{time.Now(), make(chan *pb.Answer, 1)}
	number := a.add(group, request, q)
	select {
	case answer := <-q.answer:
		if answer == nil {
			return nil, a.l.interrupted()
		}
		return answer, nil
	case <-ctx.Done():
		a.cancel(number)
		return nil, context.Cause(ctx)
	}
}

func (a *asker) add(group int, request []byte, q asked) (number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		close(q.answer)
		return 0
	}
	a.last++
	if !a.watched {
		a.watched = true
		time.AfterFunc(a.l.opts.CallTimeout, a.look)
	}
	a.open[a.last] = q
	a.waiting = append(a.waiting, &pb.Question{Number: a.last, Group: int32(group), Request: request})
	poke(a.wake)
	return a.last
}

func (a *asker) cancel(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, number)
	a.cancelled = append(a.cancelled, number)
	poke(a.wake)
}

// take returns what is to be sent next, or nil.
func (a *asker) take() *pb.Questions {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 && len(a.cancelled) == 0 {
		return nil
	}
	m := &pb.Questions{Cancelled: a.cancelled}
	a.cancelled = nil
	m.Questions, a.waiting = fill(a.waiting, func(q *pb.Question) int { return len(q.Request) })
	return m
}

// fill splits off what goes into one message.
func fill[T any](all []T, size func(T) int) (now, later []T) {
	bytes := 0
	for i, t := range all {
		if bytes += size(t); i > 0 && (i == questionsMax || bytes > questionBytes) {
			return all[:i:i], all[i:]
		}
	}
	return all, nil
}

// poke leaves a token.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// send is the goroutine that sends.
func (a *asker) send(stream grpc.BidiStreamingClient[pb.Questions, pb.Answers]) {
	for {
		select {
		case <-a.wake:
		case <-a.l.ctx.Done():
			return
		}
		runtime.Gosched() // whoever was woken together with the first asks before it is sent
		for m := a.take(); m != nil; m = a.take() {
			// Why sending failed is what receiving says.
			if err := stream.Send(m); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				a.l.condemn(err)
				return
			}
		}
	}
}

// receive is the goroutine that receives.
func (a *asker) receive(stream grpc.BidiStreamingClient[pb.Questions, pb.Answers]) {
	defer a.end()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = errors.New("it has ended the stream of queries")
		}
		if err == nil {
			err = a.answered(m)
		}
		if err != nil {
			a.l.condemn(err)
			return
		}
	}
}

// answered hands answers to who asked. Nobody may wait for one any more, but
// nobody answers what was not asked.
func (a *asker) answered(m *pb.Answers) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, answer := range m.Answers {
		if answer.Number == 0 || answer.Number > a.last {
			return fmt.Errorf("it answered query %d, %d were asked", answer.Number, a.last)
		}
		if q, ok := a.open[answer.Number]; ok {
			delete(a.open, answer.Number)
			q.answer <- answer // has room
		}
	}
	return nil
}

// end tells all callers that there will be no answer.
func (a *asker) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for _, q := range a.open {
		close(q.answer)
	}
	clear(a.open)
}

// look ends the life if somebody has waited for CallTimeout, and comes again
// when the next one may have.
func (a *asker) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	longest := time.Duration(-1)
	for _, q := range a.open {
		longest = max(longest, time.Since(q.at))
	}
	limit := a.l.opts.CallTimeout
	if a.watched = longest >= 0 && longest < limit; a.watched {
		time.AfterFunc(limit-longest, a.look)
	} else if longest >= limit {
		a.l.condemn(hangs(limit))
	}
}
