package networktest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

// testCloseUnderLoad: once Close has returned, receive is not called any more,
// although others go on sending; and Send does no harm.
func (s Suite) testCloseUnderLoad(t *testing.T) {
	all := ids(t, 2)
	a, b := s.start(t, all[0]), s.New(t, all[1])
	var closed, late atomic.Bool
	var count atomic.Int64
	if err := b.Start(func([]byte) {
		count.Add(1)
		if closed.Load() {
			late.Store(true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, class := range classes {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					a.Send(all[1], packet(1, 100), class)
					b.Send(all[0], packet(1, 100), class)
				}
			}
		})
	}
	eventually(t, "packets arrive", func() bool { return count.Load() > 100 })
	within(t, patience, "Close under load", func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	closed.Store(true)
	after := count.Load()
	for range 1000 {
		a.Send(all[1], packet(1, 100), network.Stream)
	}
	close(stop)
	wg.Wait()
	a.Close()
	if late.Load() || count.Load() != after {
		t.Error("receive was called after Close had returned")
	}
}

// testCloseWaitsForReceive: Close does not return while receive runs.
func (s Suite) testCloseWaitsForReceive(t *testing.T) {
	all := ids(t, 2)
	a, b := s.start(t, all[0]), s.New(t, all[1])
	entered, release := make(chan struct{}, 1), make(chan struct{})
	var running atomic.Int32
	if err := b.Start(func([]byte) {
		running.Add(1)
		defer running.Add(-1)
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "receive is called", func() bool {
		a.Send(all[1], packet(1, 10), network.Stream)
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	returned := make(chan error, 1)
	go func() {
		err := b.Close()
		if running.Load() != 0 {
			err = errors.Join(err, fmt.Errorf("Close returned while %d calls of receive ran", running.Load()))
		}
		returned <- err
	}()
	select {
	case <-returned:
		t.Error("Close returned while receive ran")
	case <-time.After(50 * time.Millisecond): // a good network is right however short this is
	}
	close(release)
	select {
	case err := <-returned:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Close does not return although receive has")
	}
}

// testCloseStates: Close is right in every state, also twice and by many, and
// Start fails after it. Send is harmless in every state.
func (s Suite) testCloseStates(t *testing.T) {
	all := ids(t, 2)
	n := s.New(t, all[0])
	n.Send(all[1], packet(1, 10), network.Stream)
	if err := n.Close(); err != nil {
		t.Errorf("Close without Start: %v", err)
	}
	if err := n.Start(func([]byte) {}); !errors.Is(err, network.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}

	n = s.New(t, all[0])
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	n.Send(all[1], packet(1, 10), network.Stream)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := n.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		wg.Go(func() { n.Send(all[1], packet(1, 10), network.Datagram) })
	}
	within(t, patience, "Close by many", wg.Wait)
	if err := n.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if err := n.Start(func([]byte) {}); !errors.Is(err, network.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}
}

// testStartTwice: a network is started once; trying again does it no harm.
func (s Suite) testStartTwice(t *testing.T) {
	nodes := s.startAll(t, 2)
	if err := nodes[1].Start(func([]byte) { t.Error("the second receive function is called") }); err == nil || errors.Is(err, network.ErrClosed) {
		t.Errorf("second Start: %v, want an error other than ErrClosed", err)
	}
	deliver(t, nodes[0], nodes[1], [][]byte{packet(1, 100)}, network.Stream)
}
