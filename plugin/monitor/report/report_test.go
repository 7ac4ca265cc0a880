package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// silence is a network that carries nothing: the nodes here are alone.
type silence struct{}

func (silence) Start(network.Receive) error           { return nil }
func (silence) Send(nodeid.ID, []byte, network.Class) {}
func (silence) Close() error                          { return nil }

func run(t *testing.T, groups int) (*phxpaxos.Node, *metrics.Recorder) {
	t.Helper()
	me, err := nodeid.Parse("10.0.0.1:11111")
	if err != nil {
		t.Fatal(err)
	}
	recorder := &metrics.Recorder{}
	store, err := vfile.Open("log", groups, vfile.Options{FS: memfs.New(), Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{MyNode: me, Nodes: []nodeid.ID{me}, GroupCount: groups, LogStorage: store, Network: silence{}, Observer: recorder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Close()
		store.Close()
	})
	return node, recorder
}

func ExampleRead() {
	_, err := report.Read(strings.NewReader(`{"state":"asleep"}`))
	fmt.Println(err)
	// Output: report: unknown state "asleep"
}

// A sample is what happened since the last one, by the clock that it is given.
func TestSamples(t *testing.T) {
	node, recorder := run(t, 2)
	at := time.UnixMilli(1_000_000)
	s := report.NewSampler(node, recorder, at)
	for range 6 {
		if _, err := node.Propose(t.Context(), 0, 0, []byte("v")); err != nil && !errors.Is(err, phxpaxos.ErrNoStateMachine) {
			t.Fatal(err)
		}
	}
	s.Take(at.Add(2 * time.Second))
	s.Take(at.Add(3 * time.Second))
	first, samples := s.Since(0)
	if first != 0 || len(samples) != 2 {
		t.Fatalf("%d samples from %d", len(samples), first)
	}
	if v := samples[0]; v[report.SampleTime] != 1_002_000 || v[report.ProposalRate]+v[report.FailRate] != 3 {
		t.Errorf("6 calls in 2 s: %v", v)
	}
	if v := samples[1]; v[report.ProposalRate] != 0 || v[report.ProposalP99] != 0 {
		t.Errorf("an idle second: %v", v)
	}
	if first, samples := s.Since(1); first != 1 || len(samples) != 1 {
		t.Errorf("since 1: %d samples from %d", len(samples), first)
	}
	if first, samples := s.Since(report.NoSamples); first != 2 || len(samples) != 0 {
		t.Errorf("none: %d samples from %d", len(samples), first)
	}
	if first, samples := s.Since(500); first != 0 || len(samples) != 2 {
		t.Errorf("somebody who knew an earlier life gets %d samples from %d", len(samples), first)
	}
	for i := range report.SamplesMax + 10 {
		s.Take(at.Add(time.Duration(4+i) * time.Second))
	}
	if first, samples := s.Since(0); first != 12 || len(samples) != report.SamplesMax {
		t.Errorf("after 15 minutes: %d samples from %d", len(samples), first)
	}
}

// What a node says can be read by another one.
func TestReadWhatIsReported(t *testing.T) {
	node, recorder := run(t, 3)
	s := report.NewSampler(node, recorder, time.Now())
	s.Take(time.Now())
	said := s.Report(time.Now(), 0, true)
	data, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	read, err := report.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Errorf("said %s\nread %s", data, again)
	}
	if len(read.Groups) != 3 || len(read.Samples) != 1 || read.State != report.Running {
		t.Errorf("read %+v", read)
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	g := report.OfGroup(&phxpaxos.GroupStatus{Err: errors.New(strings.Repeat("ä", 1000)), MasterVersion: phxpaxos.NoVersion})
	if len(g.Error) > 310 || g.Version != nil {
		t.Errorf("%d bytes of error, version %v", len(g.Error), g.Version)
	}
	data, err := json.Marshal(g)
	if err != nil || !json.Valid(data) {
		t.Errorf("%s, %v", data, err)
	}
}

// FuzzRead: whatever another monitor sends is refused or within the limits.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"node":"10.0.0.1:1","state":"running","samples":[[1,2,3],[]],"groups":[{"group":0,"instance":18446744073709551615}]}`))
	f.Add([]byte(`{"state":"starting","replay":{"group":1,"left":5,"of":9},"peers":[{"node":"x"}]}`))
	f.Add([]byte(`{"node":"x","state":"running","samples":[[1e308,1e308]]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := report.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(n.Samples) > report.SamplesMax || len(n.Groups) > phxpaxos.GroupsMax {
			t.Error("beyond the limits")
		}
		for _, s := range n.Samples {
			for _, v := range s {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Error("a number that JSON cannot hold")
				}
			}
		}
		if _, err := json.Marshal(n); err != nil {
			t.Error(err)
		}
	})
}
