package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

func chosenAlone(t *testing.T, all *probe) {
	l := newLab(t, all, alone)
	for range 2 {
		if err := l.propose("v"); err != nil {
			t.Fatal(err)
		}
	}
	l.fires(event.CommitStart, event.CommitGatePass, event.ProposeStart, event.PrepareStart, event.PreparePass,
		event.AcceptStart, event.AcceptPass, event.Chosen, event.ChosenOwn, event.CommitOK, event.BatchWait, event.ProposeSkipPrepare,
		event.InstanceStart, event.LoopTurn, event.SyncDone, event.SuccessSend, event.Append, event.LearnAsk,
		event.MessageBroadcast)
}

// failingRounds leads one proposal through everything that can go wrong.
func failingRounds(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	done := l.proposing("v")
	reply := func(kind paxos.Kind, from *paxos.Message, number uint64, rejectedBy uint64) {
		for _, id := range []paxos.Message{{From: b}, {From: c}} {
			l.say(paxos.Message{Kind: kind, From: id.From, Instance: from.Instance, Ballot: paxos.Ballot{Number: number}, RejectedBy: rejectedBy})
		}
	}
	p := l.hears(b, paxos.Prepare)
	reply(paxos.PrepareReply, p, p.Ballot.Number+7, 0)
	l.fires(event.PrepareReply, event.PrepareReplyForeign)
	reply(paxos.AcceptReply, p, p.Ballot.Number, 0)
	l.fires(event.AcceptReplyLate)
	reply(paxos.PrepareReply, p, p.Ballot.Number, p.Ballot.Number+1)
	l.fires(event.PrepareNotPass)

	p = l.hears(b, paxos.Prepare) // nobody answers that one
	l.fires(event.PrepareTimeout)
	p = l.hears(b, paxos.Prepare)
	reply(paxos.PrepareReply, p, p.Ballot.Number, 0)
	l.fires(event.PreparePass, event.PrepareReplyLate)

	v := l.hears(b, paxos.Accept)
	reply(paxos.AcceptReply, v, v.Ballot.Number+7, 0)
	l.fires(event.AcceptReply, event.AcceptReplyForeign)
	reply(paxos.AcceptReply, v, v.Ballot.Number, v.Ballot.Number+1)
	l.fires(event.AcceptNotPass)

	p = l.hears(b, paxos.Prepare)
	reply(paxos.PrepareReply, p, p.Ballot.Number, 0)
	l.hears(b, paxos.Accept) // nobody answers that one
	p = l.hears(b, paxos.Prepare)
	l.fires(event.AcceptTimeout)
	reply(paxos.PrepareReply, p, p.Ballot.Number, 0)
	v = l.hears(b, paxos.Accept)
	reply(paxos.AcceptReply, v, v.Ballot.Number, 0)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func acceptorAsked(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	ballot := func(n uint64) paxos.Ballot { return paxos.Ballot{Number: n, Node: b} }
	value := wire.AppendValue(nil, 1, []byte("v"))
	l.say(paxos.Message{Kind: paxos.Prepare, From: b, Ballot: ballot(5)})
	l.fires(event.PacketIn, event.MessageIn, event.Enqueue, event.Dequeue, event.Prepared, event.Promised, event.MessageSend)
	l.hears(b, paxos.PrepareReply)
	l.say(paxos.Message{Kind: paxos.Prepare, From: b, Ballot: ballot(3)})
	l.fires(event.PrepareRejected)
	l.say(paxos.Message{Kind: paxos.Success, From: b, Ballot: ballot(5)})
	l.fires(event.SuccessReceive, event.SuccessNotAccepted)
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Ballot: ballot(2), Value: value})
	l.fires(event.AcceptAsked, event.AcceptRejected)
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Ballot: ballot(5), Value: value})
	l.fires(event.Accepted)
	l.say(paxos.Message{Kind: paxos.Success, From: b, Ballot: ballot(4)})
	l.fires(event.SuccessOtherBallot)
	l.say(paxos.Message{Kind: paxos.Success, From: b, Ballot: ballot(5)})
	l.fires(event.SuccessLearned, event.Chosen, event.InstanceStart)
}

func voteNotSaved(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	l.fs.FailNext(memfs.OpWrite, ".f", syscall.EIO)
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Ballot: paxos.Ballot{Number: 5, Node: b}, Value: wire.AppendValue(nil, 1, []byte("v"))})
	l.fires(event.RecordWriteFail, event.AppendFail, event.AcceptSaveFailed, event.GroupFailed)
}

func promiseNotSaved(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	l.fs.FailNext(memfs.OpSync, ".f", syscall.EIO)
	l.say(paxos.Message{Kind: paxos.Prepare, From: b, Ballot: paxos.Ballot{Number: 5, Node: b}})
	l.fires(event.AppendFail, event.PromiseSaveFailed, event.GroupFailed)
}

func otherValueWins(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) { o.ProposeAttempts = 1 })
	done := l.proposing("mine")
	l.hears(b, paxos.Prepare)
	l.decide(0, 1, []byte("theirs"))
	if err := <-done; !errors.Is(err, phxpaxos.ErrConflict) {
		t.Errorf("the proposal ended with %v, want ErrConflict", err)
	}
	l.fires(event.ChosenOther, event.CommitConflict, event.CommitFail)
}

func callersAtTheGate(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) {
		o.Batch.CountMax, o.MaxHoldThreads = 1, 1
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 { // two batches of one fill the gate
		go func() {
			_, err := l.node.Propose(ctx, 0, 1, []byte("v"))
			done <- err
		}()
	}
	status := func() phxpaxos.GroupStatus {
		s, err := l.node.GroupStatus(0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	await.True(t, "two callers are in", func() bool { return status().Proposals == 2 })
	waiting, giveUp := context.WithCancel(t.Context())
	third := make(chan error, 1)
	go func() {
		_, err := l.node.Propose(waiting, 0, 1, []byte("v"))
		third <- err
	}()
	await.True(t, "a third one waits", func() bool { return status().Waiting == 1 })
	if _, err := l.node.Propose(ctx, 0, 1, []byte("v")); !errors.Is(err, phxpaxos.ErrBusy) {
		t.Errorf("the fourth caller got %v, want ErrBusy", err)
	}
	l.fires(event.CommitGateReject)
	giveUp()
	if err := <-third; !errors.Is(err, phxpaxos.ErrTimeout) {
		t.Errorf("the third caller got %v, want ErrTimeout", err)
	}
	l.fires(event.CommitGateTimeout)
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, phxpaxos.ErrTimeout) {
			t.Errorf("a caller that gave up got %v, want ErrTimeout", err)
		}
	}
	l.fires(event.CommitTimeout, event.CommitFail)
}

func batches(t *testing.T, all *probe) {
	l := newLab(t, all, alone)
	entry := phxpaxos.Entry{SM: 1, Value: []byte("v")}
	if _, err := l.node.BatchPropose(t.Context(), 0, []phxpaxos.Entry{entry, entry}); err != nil {
		t.Fatal(err)
	}
	l.fires(event.BatchStart, event.BatchWait, event.BatchSend, event.BatchOK)
	if _, err := l.node.BatchPropose(t.Context(), 0, []phxpaxos.Entry{{SM: 77, Value: []byte("v")}}); !errors.Is(err, phxpaxos.ErrNoStateMachine) {
		t.Errorf("a batch for no state machine: %v", err)
	}
	l.fires(event.BatchFail)
}

func machineFails(t *testing.T, all *probe) {
	var failed atomic.Bool
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.StateMachines = []sm.StateMachine{&machine{before: func() error {
			if failed.CompareAndSwap(false, true) {
				return errors.New("the first time fails")
			}
			return nil
		}}}
	})
	if err := l.propose("v"); !errors.Is(err, phxpaxos.ErrExecuteFailed) {
		t.Errorf("proposing: %v, want ErrExecuteFailed", err)
	}
	l.fires(event.ExecuteFailed, event.InstanceStart)
}

func mailboxFull(t *testing.T, all *probe) {
	release := make(chan struct{})
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.StateMachines = []sm.StateMachine{&machine{before: func() error { <-release; return nil }}}
	})
	done := l.proposing("v")
	l.fires(event.Chosen) // and is being executed
	for range 20000 {
		l.raw(make([]byte, 8))
		if n, _ := l.own.count(event.EnqueueReject); n > 0 {
			break
		}
	}
	l.fires(event.EnqueueReject)
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func readerDrives(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := l.node.ReadIndex(ctx, 0)
		done <- err
	}()
	ask := l.hears(b, paxos.ReadAsk)
	// A member has a vote at instance 0, and its proposer is gone.
	l.say(paxos.Message{Kind: paxos.ReadReply, From: b, Ballot: paxos.Ballot{Number: ask.Ballot.Number}, Now: 1})
	l.fires(event.ReadDrive)
	cancel()
	if err := <-done; !errors.Is(err, phxpaxos.ErrTimeout) {
		t.Errorf("the reader got %v, want ErrTimeout", err)
	}
}

func logReplayed(t *testing.T, all *probe) {
	l := newLab(t, all, alone)
	entries := make([]phxpaxos.Entry, 1)
	entries[0] = phxpaxos.Entry{SM: 1, Value: []byte("v")}
	for range replayReport + 5 {
		if _, err := l.node.BatchPropose(t.Context(), 0, entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.node.Close(); err != nil {
		t.Fatal(err)
	}
	l.fs = l.fs.Crash(memfs.KeepAll, nil)
	l.start(alone)
	l.fires(event.Replay)
}

// forgetful is a state machine that loses everything at its first value.
type forgetful struct {
	machine
	mu   sync.Mutex
	lost bool
	gone bool
}

func (f *forgetful) Execute(e sm.Entry) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.gone {
		f.gone, f.lost = true, true
		return nil, fmt.Errorf("%w: it was killed", sm.ErrInterrupted)
	}
	return f.machine.Execute(e)
}

func (f *forgetful) CheckpointInstance(int) uint64 { return sm.NoCheckpoint }

func (f *forgetful) OnRewind(int, func()) {}

func (f *forgetful) Rewound(int) (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := f.lost
	f.lost = false
	return sm.NoCheckpoint, lost
}

func machineFallsBack(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.StateMachines = []sm.StateMachine{&forgetful{}}
	})
	done := l.proposing("v")
	l.fires(event.RewindBegin, event.RewindEnd)
	<-done
}
