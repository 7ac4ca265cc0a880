package statemachine

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
		if h.answered(l, g, entries, &r) != nil {
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

// What failed has to come next, whatever the host sends.
func TestFailedComesNext(t *testing.T) {
	l, err := ledger.Open("", 0)
	if err != nil {
		t.Fatal(err)
	}
	broken := &failing{Ledger: l, from: 1}
	s, err := newServer(broken)
	if err != nil {
		t.Fatal(err)
	}
	request := func(instance uint64, index uint32) *pb.ExecuteRequest {
		return &pb.ExecuteRequest{Instance: instance, Last: true, Entries: []*pb.Entry{{Index: index}, {Index: index + 1}}}
	}
	if r, err := s.execute(request(3, 0)); err != nil || !r.Failed || len(r.Results) != 1 {
		t.Fatalf("%v, %v", r, err)
	}
	broken.from = 9
	for _, r := range []*pb.ExecuteRequest{request(4, 0), request(3, 0), request(3, 2)} {
		if _, err := s.execute(r); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("entry %d of instance %d: %v", r.Entries[0].Index, r.Instance, err)
		}
	}
	for _, r := range []*pb.ExecuteRequest{request(3, 1), request(4, 0)} {
		if _, err := s.execute(r); err != nil {
			t.Errorf("entry %d of instance %d: %v", r.Entries[0].Index, r.Instance, err)
		}
	}
}

// failing fails at an entry of each batch.
type failing struct {
	*ledger.Ledger
	from int
}

func (f *failing) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	if f.from >= len(entries) {
		return f.Ledger.ExecuteBatch(entries, results)
	}
	results, _ = f.Ledger.ExecuteBatch(entries[:f.from], results)
	return results, errors.New("disk is full")
}

// FuzzFrames: whatever comes on a connection, reading ends with a message or an
// error, and a message is read as it was sent.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{"", "\x00", "\x00\x00\x00\x00", "\x02\x00\x00\x00\x08\x05", "\x05\x00\x00\x00\x08", "\xff\xff\xff\xff", "\x00\x00\x00\x08"} {
		f.Add([]byte(s))
	}
	f.Add(append([]byte{8, 0, 2, 0, 42, 131, 128, 8}, make([]byte, 128<<10)...)) // longer than what is read at once
	f.Fuzz(func(t *testing.T, data []byte) {
		var again bytes.Buffer
		in, out := newFrames(wire{Reader: bytes.NewReader(data)}), newFrames(wire{Writer: &again})
		var err error
		for err == nil {
			var m, same pb.ExecuteRequest
			if err = in.receive(&m); err != nil {
				break
			}
			if err := out.send(&m); err != nil {
				t.Fatal(err)
			}
			if err := newFrames(wire{Reader: &again}).receive(&same); err != nil || !proto.Equal(&m, &same) {
				t.Fatalf("sent %v, received %v, %v", &m, &same, err)
			}
			if again.Len() > 0 {
				t.Fatalf("%d bytes are left", again.Len())
			}
		}
		if end := errors.Is(err, io.EOF); end && len(data) > 0 && len(data) < frameHeader {
			t.Errorf("the end within a header looks like one between frames")
		}
	})
}

// wire is a connection of which one end is there.
type wire struct {
	net.Conn
	io.Reader
	io.Writer
}

func (w wire) Read(p []byte) (int, error)  { return w.Reader.Read(p) }
func (w wire) Write(p []byte) (int, error) { return w.Writer.Write(p) }

// FuzzAnswers: whatever a child answers, each caller gets its own answer or
// none, and nothing blocks.
func FuzzAnswers(f *testing.F) {
	for _, m := range []*pb.Answers{
		{}, {Answers: []*pb.Answer{{}}}, {Answers: []*pb.Answer{{Number: 1}, {Number: 2, Failed: true, Error: "e"}}},
		{Answers: []*pb.Answer{{Number: 2}, {Number: 2}, {Number: 3}}}, {Answers: []*pb.Answer{{Number: math.MaxUint64}}},
	} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.Answers
		if proto.Unmarshal(data, &m) != nil {
			return
		}
		a := newAsker(&life{opts: &Options{CallTimeout: time.Hour}})
		a.watched = true // nobody looks
		questions := []asked{{answer: make(chan *pb.Answer, 1)}, {answer: make(chan *pb.Answer, 1)}}
		for i, q := range questions {
			if number := a.add(i, nil, q); number != uint64(i+1) {
				t.Fatalf("question %d has number %d", i, number)
			}
		}
		if err := a.answered(&m); err == nil {
			for _, answer := range m.Answers {
				if answer.Number < 1 || answer.Number > 2 {
					t.Errorf("an answer to question %d was taken", answer.Number)
				}
			}
		}
		a.end()
		for i, q := range questions {
			if answer := <-q.answer; answer != nil && answer.Number != uint64(i+1) {
				t.Errorf("question %d got the answer to %d", i+1, answer.Number)
			}
		}
	})
}

// FuzzQuestions: whatever a host asks, the child answers each question once.
func FuzzQuestions(f *testing.F) {
	for _, m := range []*pb.Questions{
		{}, {Cancelled: []uint64{1, 0}}, {Questions: []*pb.Question{{Number: 1, Group: -1}, {Number: 1}}},
		{Questions: []*pb.Question{{Number: 1, Request: []byte("x")}, {Number: 2}, {Number: 3}}, Cancelled: []uint64{2, 2, 9}},
	} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.Questions
		if proto.Unmarshal(data, &m) != nil {
			return
		}
		l, err := ledger.Open("", 0)
		if err != nil {
			t.Fatal(err)
		}
		a := newAnswerer(t.Context(), l)
		err = a.take(&m)
		a.open.Wait()
		got := map[uint64]bool{}
		for r := a.next(); r != nil; r = a.next() {
			for _, answer := range r.Answers {
				if got[answer.Number] {
					t.Errorf("question %d was answered twice", answer.Number)
				}
				got[answer.Number] = true
			}
		}
		if err == nil && len(got) != len(m.Questions) {
			t.Errorf("%d answers for %d questions", len(got), len(m.Questions))
		}
	})
}

// What is sent together is bounded; one that is larger goes alone.
func TestFill(t *testing.T) {
	sizes := make([]int, 2*questionsMax+1)
	sizes[0], sizes[1], sizes[2], sizes[3] = 5<<20, questionBytes/2, questionBytes/2, 1
	var got []int
	for rest := sizes; len(rest) > 0; {
		var now []int
		now, rest = fill(rest, func(n int) int { return n })
		got = append(got, len(now))
	}
	if want := []int{1, 2, questionsMax, questionsMax - 2}; !slices.Equal(got, want) {
		t.Errorf("messages of %v, want %v", got, want)
	}
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
