package phxpaxos

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/transfer"
)

// clerk does a group's work with files, which must not hold up the group:
// cleaning the log, replaying it for checkpoints, and both sides of a
// checkpoint transfer (group.Job). It has no goroutine while there is nothing
// to do; then one for the jobs that write, and one for each node to which a
// checkpoint is sent.
type clerk struct {
	l    *loop
	fs   storage.FS
	pace *pace

	mu      sync.Mutex
	queue   []group.Job
	writing bool // the goroutine that writes runs
	closed  bool
	sends   map[uint64]*sending // by transfer
	group   sync.WaitGroup      // of all goroutines

	receiver *transfer.Receiver // of the one that writes
	uuid     uint64             // of receiver
}

func newClerk(l *loop, pace *pace) *clerk {
	return &clerk{l: l, fs: osfs.FS{}, pace: pace, sends: map[uint64]*sending{}}
}

// do takes a job and returns at once.
func (c *clerk) do(j group.Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	switch j.Kind {
	case group.SendCheckpoint:
		s := &sending{c: c, job: j, through: j.Through, moved: make(chan struct{}, 1), stop: make(chan struct{})}
		c.sends[j.UUID] = s
		c.group.Go(s.run)
	case group.SendFurther:
		if s := c.sends[j.UUID]; s != nil {
			s.allow(j.Through)
		}
	case group.StopSending:
		if s := c.sends[j.UUID]; s != nil {
			s.end()
		}
	default:
		c.queue = append(c.queue, j)
		if !c.writing {
			c.writing = true
			c.group.Go(c.write)
		}
	}
}

// close ends everything and waits for it. Nothing is done from then on.
func (c *clerk) close() {
	c.mu.Lock()
	c.closed, c.queue = true, nil
	for _, s := range c.sends {
		s.end()
	}
	c.mu.Unlock()
	c.group.Wait()
	if c.receiver != nil {
		_ = c.receiver.Close() // what came is thrown away at the next transfer
	}
}

// write does the jobs that write, until there are none.
func (c *clerk) write() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.queue, c.writing = nil, false
			c.mu.Unlock()
			return
		}
		j := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		r := group.JobResult{Kind: j.Kind, UUID: j.UUID, Sequence: j.Block.Sequence, Instance: j.Instance}
		c.perform(&j, &r)
		if j.Kind != group.DropCheckpoint {
			c.tell(r)
		}
	}
}

// tell brings the outcome to the group, if it is still there.
func (c *clerk) tell(r group.JobResult) {
	_ = c.l.post(func(m machine) {
		if m != nil {
			m.JobDone(r)
		}
	})
}

// perform does one job. A panic of a state machine or of the storage is the
// job's error.
func (c *clerk) perform(j *group.Job, r *group.JobResult) {
	defer func() {
		if p := recover(); p != nil {
			r.Err = c.l.observer.panicked("state machine or log storage", p)
		}
	}()
	switch j.Kind {
	case group.CleanLog:
		r.Err = c.clean(j.Instance)
	case group.KeepLedger:
		r.Err = (env{c.l}).SetVariable(group.Ledger, j.Ledger)
	case group.ReplayLog:
		r.Instance, r.Err = c.replay(j)
	default:
		r.Err = c.receive(j, r)
	}
}

func (c *clerk) clean(below uint64) error {
	if err := (env{c.l}).SetVariable(group.MinChosen, group.AppendInstance(nil, below)); err != nil {
		return err
	}
	return c.l.store.Trim(c.l.index, below)
}

func (c *clerk) replay(j *group.Job) (next uint64, err error) {
	var buf []byte
	for i := j.From; i < j.Instance; i++ {
		if buf, err = c.l.store.Read(c.l.index, i, buf); err != nil {
			return i, err
		}
		if err = j.Replay(i, buf); err != nil {
			return i, err
		}
	}
	return j.Instance, nil
}

// receive does the jobs of a transfer to this node. Those of a transfer that
// another one has replaced are not done.
func (c *clerk) receive(j *group.Job, r *group.JobResult) error {
	dir := c.l.store.Dir(c.l.index)
	switch {
	case j.Kind == group.ReceiveCheckpoint, j.Kind == group.DropCheckpoint:
		if c.receiver != nil {
			_ = c.receiver.Close()
			c.receiver = nil
		}
		if j.Kind == group.DropCheckpoint {
			return transfer.Discard(c.fs, dir)
		}
		var err error
		c.receiver, err = transfer.Begin(c.fs, dir)
		c.uuid = j.UUID
		return err
	case c.receiver == nil || c.uuid != j.UUID:
		return errTransferOver
	case j.Kind == group.StoreBlock:
		return c.receiver.Write(&j.Block)
	}
	parts, err := c.receiver.Finish()
	for _, p := range parts {
		r.Parts = append(r.Parts, group.Part(p))
	}
	return err
}

var errTransferOver = errors.New("the transfer is over")

// sending is a checkpoint on its way to another node.
type sending struct {
	c     *clerk
	job   group.Job
	moved chan struct{} // holds a token when through has moved
	stop  chan struct{} // closed to end early
	once  sync.Once

	mu      sync.Mutex
	through uint64 // messages up to this sequence may go
}

func (s *sending) allow(through uint64) {
	s.mu.Lock()
	s.through = max(s.through, through)
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

func (s *sending) end() { s.once.Do(func() { close(s.stop) }) }

// run is the goroutine.
func (s *sending) run() {
	r := group.JobResult{Kind: group.SendCheckpoint, UUID: s.job.UUID, Ended: true}
	r.Bytes, r.Err = s.send()
	c := s.c
	c.mu.Lock()
	delete(c.sends, s.job.UUID)
	c.mu.Unlock()
	c.tell(r)
}

func (s *sending) send() (sent int64, err error) {
	l := s.c.l
	defer func() {
		if p := recover(); p != nil {
			err = l.observer.panicked("state machine", p)
		}
	}()
	source, err := transfer.Open(s.c.fs, transfer.Order{
		Group: l.index, From: l.me, Header: s.job.Header, UUID: s.job.UUID,
		Machines: s.job.Machines, Instance: s.job.Instance, Ledger: s.job.Ledger,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	s.c.tell(group.JobResult{Kind: group.SendCheckpoint, UUID: s.job.UUID, Instance: source.Instance(), Bytes: source.Total()})
	for {
		if err := s.wait(source.Sequence()); err != nil {
			return sent, err
		}
		packet, size, err := source.Next()
		if err == io.EOF {
			return sent, nil
		}
		if err == nil {
			err = s.c.pace.wait(len(packet), s.stop)
		}
		if err != nil {
			return sent, err
		}
		l.network.Send(s.job.To, packet, network.Stream)
		if size > 0 {
			l.observer.Observe(event.Event{Kind: event.CheckpointBlockSend, Group: l.index, Peer: s.job.To,
				Instance: source.Instance(), Number: source.Sequence() - 1, Size: size})
		}
		sent += int64(size)
	}
}

// wait returns when a message with this sequence may go.
func (s *sending) wait(sequence uint64) error {
	for {
		s.mu.Lock()
		ok := sequence <= s.through
		s.mu.Unlock()
		select {
		case <-s.stop:
			return fmt.Errorf("%w: it was stopped", errTransferOver)
		default:
		}
		if ok {
			return nil
		}
		select {
		case <-s.stop:
		case <-s.moved:
		}
	}
}

// pace shares a node's limit on what checkpoints may take of its bandwidth.
type pace struct {
	perSecond int64 // bytes, 0 for no limit

	mu   sync.Mutex
	next time.Time // when what was let through is sent
}

// wait returns when so many bytes may be sent, or stop is closed.
func (p *pace) wait(bytes int, stop <-chan struct{}) error {
	if p.perSecond == 0 {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(time.Duration(int64(bytes) * int64(time.Second) / p.perSecond))
	p.mu.Unlock()
	if wait := at.Sub(now); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-stop:
			return fmt.Errorf("%w: it was stopped", errTransferOver)
		}
	}
	return nil
}
