package statemachine

import (
	"log/slog"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// FuzzParseLine: whatever a child writes becomes a line of the log.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"plain", `{"level":"WARN","msg":"by slog","n":1}`, `{"@level":"error","@message":"by hclog","@timestamp":"x"}`,
		`{"@message":5}`, `{"msg":null}`, "{", "\xff\xfe", `{"level":7,"msg":"m","":1,"time":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, _, attrs := parseLine(line); len(attrs) > logFieldMax {
			t.Errorf("%d fields", len(attrs))
		}
		l := childLogs{logger: slog.New(slog.DiscardHandler)}
		l.line(line, "stderr")
	})
}

// FuzzExecuted: whatever a child answers, the host never believes that more was
// executed than it gave, nor less than before.
func FuzzExecuted(f *testing.F) {
	for _, r := range []*pb.ExecuteResponse{
		{}, {Results: make([][]byte, 3)}, {Results: make([][]byte, 2), Failed: true, Error: "e"}, {Results: make([][]byte, 9)},
		{Results: make([][]byte, 3), Checkpoint: &pb.Checkpoint{Any: true, Instance: 7}},
		{Results: make([][]byte, 3), Checkpoint: &pb.Checkpoint{Any: true, Instance: math.MaxUint64}},
		{Results: make([][]byte, 3), Checkpoint: &pb.Checkpoint{Any: true, Instance: 2}},
	} {
		data, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, checkpoints bool) {
		var r pb.ExecuteResponse
		if proto.Unmarshal(data, &r) != nil {
			return
		}
		l := &life{}
		h := &host{life: l, desc: &pb.DescribeResponse{Checkpoints: checkpoints}, changed: make(chan struct{})}
		g := &group{}
		g.begin(4)
		entries := []sm.Entry{{Instance: 7, Index: 1}, {Instance: 7, Index: 3}, {Instance: 7, Index: 4, Last: true}}
		if h.executed(l, g, entries, &r) != nil {
			return
		}
		steps := []position{{5, 0}, {7, 2}, {7, 4}, {8, 0}}
		if len(r.Results) > 3 || g.at != steps[len(r.Results)] || (len(r.Results) == 3) == r.Failed {
			t.Errorf("%d results, failed %v: executed to %v", len(r.Results), r.Failed, g.at)
		}
		if g.checkpoint+1 > g.at.instance || g.checkpoint < 4 {
			t.Errorf("executed to %v, checkpoint %d", g.at, int64(g.checkpoint))
		}
	})
}

// FuzzServe: whatever a host sends, the child executes nothing twice and in no
// wrong order.
func FuzzServe(f *testing.F) {
	for _, r := range []*pb.ExecuteRequest{
		{}, {Entries: []*pb.Entry{{}}}, {Instance: 3, Last: true, Entries: []*pb.Entry{{Index: 1}, {Index: 2}}},
		{Group: -1, Instance: math.MaxUint64, Last: true, Entries: []*pb.Entry{{Index: math.MaxUint32}}},
		{Instance: 3, Entries: []*pb.Entry{{Index: 2}, {Index: 1}}},
	} {
		data, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		l, err := ledger.Open("", 0)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newServer(inOrder{l, t, map[int]*position{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{first, second, second} {
			var r pb.ExecuteRequest
			if proto.Unmarshal(data, &r) != nil {
				continue
			}
			answer, err := s.execute(&r)
			if err == nil && len(answer.Results) != len(r.Entries) {
				t.Errorf("%d entries, %d results", len(r.Entries), len(answer.Results))
			}
		}
	})
}

// inOrder fails the test when entries do not come in their order.
type inOrder struct {
	*ledger.Ledger
	t    *testing.T
	next map[int]*position
}

func (o inOrder) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for _, e := range entries {
		this := position{e.Instance, e.Index}
		if n := o.next[e.Group]; n != nil && this.before(*n) {
			o.t.Errorf("group %d: %v comes when %v was due", e.Group, this, *n)
		}
		o.next[e.Group] = &position{e.Instance, e.Index + 1}
	}
	return o.Ledger.ExecuteBatch(entries, results)
}
