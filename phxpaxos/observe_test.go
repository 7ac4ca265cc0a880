package phxpaxos

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func TestObserverFanOut(t *testing.T) {
	var mu sync.Mutex
	var got []event.Event
	o := newObserver(event.Func(func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e)
	}), nil)
	want := map[event.Kind]uint64{}
	for g := -1; g < 40; g++ {
		for _, k := range []event.Kind{event.Chosen, event.Replay} {
			o.Observe(event.Event{Kind: k, Group: g})
			want[k]++
		}
	}
	o.Observe(event.Event{Kind: event.Kind(event.Kinds)}) // unknown: ignored
	for k, n := range want {
		if o.count(k) != n {
			t.Errorf("%v: %d, want %d", k, o.count(k), n)
		}
	}
	if o.count(event.Kind(event.Kinds)) != 0 || len(got) != 82 || got[2].Group != 0 {
		t.Errorf("passed on %d events", len(got))
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	o := newObserver(nil, slog.New(slog.NewTextHandler(&out, nil)))
	o.Observe(event.Event{Kind: event.Chosen}) // not worth a line
	o.Observe(event.Event{
		Kind: event.GroupFailed, Group: 3, Instance: 9, Peer: nodeid.ID(0x100007f00002b67), Number: 4, Size: 5,
		Took: time.Second, Err: errors.New("why"),
	})
	line := out.String()
	for _, part := range []string{"level=ERROR", `msg="group has stopped"`, "event=GroupFailed", "group=3", "instance=9",
		"peer=127.0.0.1:11111", "number=4", "size=5", "took=1s", "err=why"} {
		if !strings.Contains(line, part) {
			t.Errorf("no %q in %q", part, line)
		}
	}
	if strings.Count(line, "\n") != 1 {
		t.Errorf("lines: %q", line)
	}
	quiet := newObserver(nil, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	out.Reset()
	quiet.Observe(event.Event{Kind: event.MasterSelf})
	if out.Len() != 0 {
		t.Errorf("below the level: %q", out.String())
	}
}

// A flood of one kind gives ten lines a second, and then tells how many are
// missing; other kinds, and what happens once, are not affected.
func TestLogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := newObserver(nil, slog.New(slog.NewTextHandler(&out, nil)))
		for range 100 {
			o.Observe(event.Event{Kind: event.PacketMalformed, Group: -1})
		}
		for range 20 {
			o.Observe(event.Event{Kind: event.GroupFailed})
		}
		o.Observe(event.Event{Kind: event.PacketChecksum})
		if n := strings.Count(out.String(), "\n"); n != 10+20+1 {
			t.Errorf("%d lines", n)
		}
		if strings.Contains(strings.SplitN(out.String(), "\n", 2)[0], "group=") {
			t.Error("a line about no group names one")
		}
		out.Reset()
		time.Sleep(time.Second)
		o.Observe(event.Event{Kind: event.PacketMalformed})
		if !strings.Contains(out.String(), "notLogged=90") {
			t.Errorf("a second later: %q", out.String())
		}
		if o.count(event.PacketMalformed) != 101 {
			t.Error("not all were counted")
		}
	})
}

// What a peer causes with each of its packets gives one line a minute for each
// peer and kind (docs/senders.md).
func TestLogRateOfPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := newObserver(nil, slog.New(slog.NewTextHandler(&out, nil)))
		flood := func() int {
			out.Reset()
			for range 100 {
				for peer := nodeid.ID(1); peer <= 3; peer++ {
					for _, k := range []event.Kind{event.PacketForeignCluster, event.MessageNotMember, event.MessageNotAsked,
						event.MemberWithoutFeatures, event.MessageAbsurd} {
						o.Observe(event.Event{Kind: k, Peer: peer})
					}
				}
			}
			return strings.Count(out.String(), "\n")
		}
		if n := flood(); n != 3*5 {
			t.Errorf("%d lines for 3 peers and 5 kinds", n)
		}
		time.Sleep(59 * time.Second)
		if n := flood(); n != 0 {
			t.Errorf("%d more lines within the minute", n)
		}
		time.Sleep(time.Second)
		if n := flood(); n != 3*5 || !strings.Contains(out.String(), "notLogged=199") {
			t.Errorf("%d lines after a minute: %s", n, out.String())
		}
	})
}

// The stack of a recovered panic is in the log, not in the error.
func TestPanicIsLogged(t *testing.T) {
	var out bytes.Buffer
	o := newObserver(nil, slog.New(slog.NewTextHandler(&out, nil)))
	err := func() (err error) {
		defer func() { err = o.panicked("something", recover()) }()
		panic("oh")
	}()
	if err.Error() != "something panicked: oh" {
		t.Errorf("got %q", err)
	}
	if !strings.Contains(out.String(), "TestPanicIsLogged") {
		t.Errorf("no stack in %q", out.String())
	}
}
