package ut

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/ut/mock"
)

// The nodes of the original's fixture: 127.0.0.1, ports 11111 to 11113.
const (
	me nodeid.ID = 72058139498785639
	n2           = me + 1
	n3           = me + 2
)

// errDisk is what the log storage returns when it is told to fail.
var errDisk = errors.New("disk: no space left")

func ballot(number uint64, node nodeid.ID) paxos.Ballot {
	return paxos.Ballot{Number: number, Node: node}
}

// fixture is one node of three: the production core between a mocked Env above
// and a mocked log storage below. Sync is on with interval 0, so every promise
// and every vote has to be synced. Whatever a test does not expect fails it:
// a message too many as well as a record too many.
type fixture struct {
	t     *testing.T
	env   *mock.PaxosEnv
	rand  *mock.PaxosRand
	store *mock.LogStorage
	core  *paxos.Core

	handed  []paxos.Save // by the core, and not written yet
	missing int          // expected calls that did not come yet
	seen    counts
}

// counts says how often events of a kind were observed: the original's
// breakpoints.
type counts map[event.Kind]int

// newFixture starts a core from a log and takes its first words, the question
// to everybody what it has missed.
func newFixture(t *testing.T, s paxos.State) *fixture {
	t.Helper()
	ctrl := gomock.NewController(t)
	f := &fixture{t: t, env: mock.NewPaxosEnv(ctrl), rand: mock.NewPaxosRand(ctrl), store: mock.NewLogStorage(ctrl), seen: counts{}}
	f.env.EXPECT().Observe(gomock.Any()).AnyTimes().Do(f.observe)
	f.rand.EXPECT().IntN(500).Return(0) // the period of asking is jittered
	f.core = paxos.New(paxos.Config{
		Me:      me,
		Members: paxos.NewMembership([]nodeid.ID{me, n2, n3}),
		Timing:  paxos.TimingFor(false, false),
		Rand:    f.rand,
	}, f.env, s, 0)
	f.send(paxos.Message{Kind: paxos.AskForLearn, From: me, Instance: s.Instance})
	f.turn()
	return f
}

// observe counts what the proposer and the acceptor report, and that a value
// is chosen and announced.
func (f *fixture) observe(e event.Event) {
	if e.Kind <= event.AcceptRejected || e.Kind == event.Chosen || e.Kind == event.SuccessSend {
		f.seen[e.Kind]++
	}
}

// save expects the core to hand out record r as save seq, which the fixture
// then writes at the end of flush.
func (f *fixture) save(seq uint64, r paxos.Record, sync bool) *gomock.Call {
	f.missing++
	return f.env.EXPECT().Save(paxos.Save{Seq: seq, Record: r, Sync: sync}).Do(func(s paxos.Save) {
		f.missing--
		f.handed = append(f.handed, s)
	})
}

// write expects the log storage to be given record r, and lets it answer.
func (f *fixture) write(r paxos.Record, sync bool, answer error) *gomock.Call {
	f.missing++
	put := storage.Put{Instance: r.Instance, Data: wire.AppendRecord(nil, &r), Sync: sync}
	return f.store.EXPECT().Write([]storage.Put{put}).Return(answer).Do(func([]storage.Put) { f.missing-- })
}

// send expects a message.
func (f *fixture) send(m paxos.Message) *gomock.Call {
	f.missing++
	got := gomock.GotFormatterFunc(func(got any) string { return fields(got) })
	return f.env.EXPECT().Send(gomock.GotFormatterAdapter(got, sameMessage{m})).Do(func(*paxos.Message) { f.missing-- })
}

// persisted expects r to be handed out, then to be written, and only then the
// messages to leave, in their order.
func (f *fixture) persisted(seq uint64, r paxos.Record, then ...paxos.Message) {
	calls := []*gomock.Call{f.save(seq, r, true), f.write(r, true, nil)}
	for _, m := range then {
		calls = append(calls, f.send(m))
	}
	gomock.InOrder(calls...)
}

// turn lets everything happen that is due: the core hands out what it has, the
// storage writes it, and the core hands out what waited for that.
func (f *fixture) turn() {
	f.t.Helper()
	f.flush()
	f.written()
}

// flush lets the core hand out messages and saves.
func (f *fixture) flush() {
	f.t.Helper()
	f.core.Flush()
}

// written brings the saves that were handed out to the storage, one by one,
// and the answers to the core. By then all that was expected must have
// happened.
func (f *fixture) written() {
	f.t.Helper()
	for len(f.handed) > 0 {
		s := f.handed[0]
		f.handed = f.handed[1:]
		err := f.store.Write([]storage.Put{{
			Instance: s.Record.Instance, Data: wire.AppendRecord(nil, &s.Record), Sync: s.Sync,
		}})
		if err != nil {
			f.core.SaveFailed(s.Seq, err)
		} else {
			f.core.Saved(s.Seq)
		}
		f.core.Flush()
	}
	if f.missing != 0 {
		f.t.Fatalf("%d expected calls did not come", f.missing)
	}
	if err := f.core.Err(); err != nil && !errors.Is(err, errDisk) {
		f.t.Fatalf("the core stopped: %v", err)
	}
}

// step gives the core a message and lets follow what follows from it.
func (f *fixture) step(m paxos.Message) {
	f.t.Helper()
	f.core.Step(&m)
	f.turn()
}

// events checks what was observed since the last call, completely.
func (f *fixture) events(want counts) {
	f.t.Helper()
	if !maps.Equal(f.seen, want) {
		f.t.Errorf("observed %v, want %v", f.seen, want)
	}
	f.seen = counts{}
}

// holds checks what the acceptor has promised and accepted, in memory.
func (f *fixture) holds(promised, accepted paxos.Ballot, value string) {
	f.t.Helper()
	b, v := f.core.Accepted()
	if p := f.core.Promised(); p != promised || b != accepted || string(v) != value {
		f.t.Errorf("promised %v, accepted %v %q; want %v, %v %q", p, b, v, promised, accepted, value)
	}
}

// proposing checks whether a round is under way.
func (f *fixture) proposing(want bool) {
	f.t.Helper()
	if got := f.core.Proposing(); got != want {
		f.t.Errorf("a round is under way: %v, want %v", got, want)
	}
}

// retry lets the pause after a lost round pass, to the millisecond.
func (f *fixture) retry(at time.Duration) {
	f.t.Helper()
	if due, ok := f.core.Deadline(); !ok || due != at {
		f.t.Errorf("the next try is due at %v, want %v", due, at)
	}
	f.core.Tick(at - 1)
	f.core.Flush() // nothing is expected, so a try before its time fails the test
	f.core.Tick(at)
}

// sameMessage matches a message by each of its fields.
type sameMessage struct{ want paxos.Message }

func (s sameMessage) Matches(got any) bool { return gomock.Eq(&s.want).Matches(got) }
func (s sameMessage) String() string       { return fields(&s.want) }

// fields shows a message with each field that is not zero; its String is for
// traces and leaves some out.
func fields(m any) string {
	message, ok := m.(*paxos.Message)
	if !ok {
		return fmt.Sprint(m)
	}
	var parts []string
	for field, value := range reflect.ValueOf(*message).Fields() {
		if !value.IsZero() {
			format := "%s %v"
			if field.Name == "Value" {
				format = "%s %q"
			}
			parts = append(parts, fmt.Sprintf(format, field.Name, value))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
