package phxkv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// direct is a Machine as a program shows it, without a process between.
type direct struct {
	*Machine
	queries int
}

func (*direct) ExecuteBatch([]sm.Entry, [][]byte) ([][]byte, error) { panic("not asked") }
func (*direct) Rewound(int) (uint64, bool)                          { return 0, false }
func (*direct) OnRewind(int, func())                                {}

func (d *direct) Query(ctx context.Context, group int, request []byte) ([]byte, error) {
	d.queries++
	return d.Machine.Query(ctx, group, request)
}

// breaks is what a failing disk does; nil mends it.
func (s *store) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// What is read through a program is what the Machine holds.
func TestQueries(t *testing.T) {
	m := open(t, t.TempDir())
	d := &direct{Machine: m}
	p, err := newProgram(d)
	if err != nil {
		t.Fatal(err)
	}
	const group = 1
	for i := range 3 {
		key := keyOf(group, i) + "\xff"
		for n := 0; GroupOf(key) != group; n++ {
			key = fmt.Sprint(keyOf(group, i), n, "\xff")
		}
		execute(t, m, sm.Entry{Group: group, Instance: uint64(2 * i), Last: true, Value: operation(t, operatorWrite, key, strings.Repeat("x", partBytes*2/3), 0)})
		execute(t, m, sm.Entry{Group: group, Instance: uint64(2*i + 1), Last: true, Value: operation(t, operatorDelete, keyOf(group, i), "", 0)})
	}
	all := func(s interface {
		Scan(context.Context, int, string, func(string, *Data) (bool, error)) error
	}, prefix string, most int) map[string]string {
		got := map[string]string{}
		err := s.Scan(t.Context(), group, prefix, func(key string, data *Data) (bool, error) {
			got[key] = fmt.Sprint(len(data.Value), data.Version, data.Isdeleted)
			return len(got) < most, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, prefix := range []string{"", "k", keyOf(group, 1), "nothing", "\xff"} {
		for _, most := range []int{1, 100} {
			if got, want := all(p, prefix, most), all(m, prefix, most); !maps.Equal(got, want) {
				t.Errorf("%q, at most %d: %v, want %v", prefix, most, got, want)
			}
		}
	}
	if d.queries = 0; len(all(p, "", 100)) != 6 || d.queries != 2 {
		t.Errorf("a scan of 3 large values took %d parts, want 2", d.queries)
	}
	for _, key := range []string{keyOf(group, 0), keyOf(group, 9), "", "\xff"} {
		got, err := p.Get(t.Context(), key)
		want, err2 := m.Get(t.Context(), key)
		if err != nil || err2 != nil || !proto.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v, %v", key, got, err, want, err2)
		}
	}
	stop := errors.New("enough")
	if err := p.Scan(t.Context(), group, "", func(string, *Data) (bool, error) { return true, stop }); err != stop {
		t.Errorf("Scan: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Scan(ended, group, "", func(string, *Data) (bool, error) { return true, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Scan behind the end of its context: %v", err)
	}
	if err := p.Err(t.Context(), group); err != nil {
		t.Error(err)
	}
	m.stores[group].breaks(errors.New("disk is gone"))
	if err := p.Err(t.Context(), group); err == nil || err.Error() != "disk is gone" {
		t.Errorf("Err: %v", err)
	}
	m.stores[group].breaks(nil)
}

// A program that is another state machine is not taken.
func TestOtherStateMachine(t *testing.T) {
	if _, err := newProgram(other{}); err == nil || !strings.Contains(err.Error(), "4711") {
		t.Errorf("error %v", err)
	}
}

type other struct{ statemachine.Machine }

func (other) ID() sm.ID { return 4711 }

// What was executed before a crash, and is given again, has no result: to say
// "done" could acknowledge a write that was refused.
func TestNoResultTwice(t *testing.T) {
	m := open(t, t.TempDir())
	refusedWrite := sm.Entry{Group: 1, Instance: 3, Value: operation(t, operatorWrite, "a", "v", 7)}
	if result := execute(t, m, refusedWrite); &result[0] != &conflict[0] {
		t.Fatalf("result %v", result)
	}
	if err := m.stores[1].flush(); err != nil {
		t.Fatal(err)
	}
	again := open(t, crash(t, m))
	if at := again.CheckpointInstance(1); at != 2 {
		t.Fatalf("checkpoint %d, want 2", at)
	}
	if result := execute(t, again, refusedWrite); &result[0] != &repeated[0] {
		t.Errorf("given again: result %v", result)
	}
	// Nor does an operation count that a broken disk kept from being noted.
	again.stores[1].breaks(errors.New("disk is gone"))
	refusedWrite.Index = 1
	for range 2 {
		if result, err := again.Execute(refusedWrite); err == nil {
			t.Errorf("result %v of a broken store", result)
		}
	}
	again.stores[1].breaks(nil)
}

// Whatever is asked, the process of the state machine goes on.
func FuzzQuery(f *testing.F) {
	for _, q := range []*kvpb.Query{
		{Ask: &kvpb.Query_Get{Get: "a"}}, {Ask: &kvpb.Query_Health{}},
		{Ask: &kvpb.Query_Part{Part: &kvpb.PartRequest{Prefix: "k", From: "a"}}}, {},
	} {
		b, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(1, b)
	}
	f.Add(-1, []byte("garbage"))
	m, err := OpenMachine(f.TempDir(), "")
	if err != nil {
		f.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Execute(sm.Entry{Group: 1, Instance: 1, Last: true, Value: operation(f, operatorWrite, "a", "v", 0)}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, group int, request []byte) {
		answer, err := m.Query(t.Context(), group, request)
		if err == nil && len(answer) > partBytes {
			t.Errorf("%d bytes", len(answer))
		}
		if err == nil && (group < 0 || group >= Groups) {
			t.Errorf("group %d answered", group)
		}
	})
}
