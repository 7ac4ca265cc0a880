package group

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// loader is a state machine that takes snapshots.
type loader struct {
	recorder
	at     uint64
	loaded []sm.Snapshot
	err    error
}

func (l *loader) CheckpointInstance(int) uint64     { return l.at }
func (l *loader) Snapshot(int) (sm.Snapshot, error) { return sm.Snapshot{}, errors.ErrUnsupported }
func (l *loader) LoadSnapshot(_ int, s sm.Snapshot) error {
	if l.err != nil {
		return l.err
	}
	l.loaded, l.at = append(l.loaded, s), s.Instance
	return nil
}

// fetching is node C of three, whose log is empty; A and B keep nothing below
// instance 1200 and are at 1600.
type fetching struct {
	t *testing.T
	*cluster
	n      *testNode
	loader *loader
	a, b   nodeid.ID
	gid    uint64
}

func newFetching(t *testing.T) *fetching {
	f := &fetching{t: t, loader: &loader{at: sm.NoCheckpoint, recorder: recorder{id: 1}}, gid: 72058141842961811}
	f.cluster = newCluster(t, 3, func(cfg *Config) {
		cfg.StateMachines, cfg.PacketCRC = []sm.StateMachine{f.loader}, false
	})
	f.n = f.nodes[2]
	f.a, f.b = f.nodes[0].id, f.nodes[1].id
	f.nodes = f.nodes[2:] // the test speaks for the others
	f.n.g.Flush()         // it asks what it missed
	f.wire = nil
	return f
}

func (f *fetching) message(m paxos.Message) {
	f.n.g.Receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: f.gid, CRC: false}, &m))
	f.n.g.Flush()
}

func (f *fetching) block(c wire.Checkpoint) {
	c.Kind = wire.CheckpointFile
	f.n.g.Receive(wire.AppendCheckpoint(nil, wire.Header{Group: 0, Cluster: f.gid, CRC: false}, &c))
	f.n.g.Flush()
}

// offers lets A and B say how far they are.
func (f *fetching) offers() {
	for _, id := range []nodeid.ID{f.a, f.b} {
		f.message(paxos.Message{Kind: paxos.Offer, From: id, Instance: f.n.g.Instance(), Now: 1600, MinChosen: 1200,
			HasVariables: true, SystemVariables: []byte{}, MasterVariables: []byte{}})
	}
}

// sent takes the packets that went out since the last call.
func (f *fetching) sent() (asks []nodeid.ID, acks []wire.Checkpoint, raw [][]byte) {
	for _, p := range f.wire {
		open, err := wire.Open(p.data)
		if err != nil {
			f.t.Fatal(err)
		}
		var m paxos.Message
		var c wire.Checkpoint
		switch {
		case open.Command == wire.CommandCheckpoint && open.Checkpoint(&c) == nil:
			acks, raw = append(acks, c), append(raw, p.data)
		case open.Command == wire.CommandPaxos && open.Message(&m) == nil && m.Kind == paxos.AskCheckpoint:
			asks = append(asks, p.to)
		}
	}
	f.wire = nil
	return asks, acks, raw
}

// jobs does what the group wants to be done, with an outcome.
func (f *fetching) jobs(err error) (kinds []JobKind) {
	for len(f.n.jobs) > 0 {
		j := f.n.jobs[0]
		f.n.jobs = f.n.jobs[1:]
		kinds = append(kinds, j.Kind)
		r := JobResult{Kind: j.Kind, UUID: j.UUID, Sequence: j.Block.Sequence, Instance: j.Instance, Err: err}
		if j.Kind == FinishCheckpoint {
			r.Parts = []Part{{1, sm.Snapshot{Instance: 1499, Dir: "dir", Files: []string{"sub/info.txt"}}}}
		}
		f.n.g.JobDone(r)
		f.n.g.Flush()
	}
	return kinds
}

func sequences(acks []wire.Checkpoint) (list []int) {
	for _, c := range acks {
		s := int(c.Sequence)
		if c.Flag == wire.CheckpointFail {
			s = -s - 1
		}
		list = append(list, s)
	}
	return list
}

// recorded are the messages of a transfer between original nodes.
func recorded(t *testing.T) map[string][]byte {
	list, err := os.ReadFile("../../../shared/golden/messages.tsv")
	if err != nil {
		t.Skip("no recorded messages of original nodes here: ", err)
	}
	out := map[string][]byte{}
	for line := range strings.Lines(string(list)) {
		c := strings.Split(line, "\t")
		if strings.HasPrefix(c[1], "CheckpointMsg") && c[9] == "checkpoint.pcap" {
			for _, column := range c {
				if packet, err := hex.DecodeString(column); err == nil && len(packet) > 20 {
					out[c[3]] = packet[4:]
				}
			}
		}
	}
	return out
}

// TestTransferOfAnOriginalNode: the messages that an original node sent lead
// to the acknowledgements that an original node sent, and to a loaded
// checkpoint; the group goes on behind it.
func TestTransferOfAnOriginalNode(t *testing.T) {
	golden := recorded(t)
	f := newFetching(t)
	f.offers()
	asks, _, _ := f.sent()
	if len(asks) != 1 {
		t.Fatalf("asked %v", asks)
	}
	if asks[0] != f.a { // the recorded sender is A
		f.n.g.fetch.asked = append(f.n.g.fetch.asked, f.a)
	}
	for range 2 { // the original begins twice
		f.n.g.Receive(golden["BEGIN"])
		f.n.g.Flush()
	}
	if kinds := f.jobs(nil); !slices.Equal(kinds, []JobKind{ReceiveCheckpoint}) {
		t.Fatalf("jobs %v", kinds)
	}
	_, acks, raw := f.sent()
	if len(raw) == 0 || len(golden["OK"]) == 0 {
		t.Fatalf("%d acknowledgements, recorded %v", len(raw), golden)
	}
	own, _ := wire.Open(raw[0])
	original, _ := wire.Open(golden["OK"])
	if !bytes.Equal(own.Body, original.Body) {
		t.Errorf("acknowledgement %x, the original's is %x", own.Body, original.Body)
	}
	first := wire.Checkpoint{From: f.a, Flag: wire.CheckpointBlock, UUID: acks[0].UUID, Sequence: 1, Instance: 1499, SM: 1, Path: "big", Data: []byte("x")}
	first.Checksum = checksum.Sampled(0, first.Data, checksum.ValueStride)
	f.block(first)
	f.n.g.Receive(golden["ING"])
	f.n.g.Receive(golden["END"])
	f.n.g.Flush()
	if kinds := f.jobs(nil); !slices.Equal(kinds, []JobKind{StoreBlock, StoreBlock, FinishCheckpoint, DropCheckpoint}) {
		t.Fatalf("jobs %v", kinds)
	}
	if _, acks, _ := f.sent(); !slices.Equal(sequences(acks), []int{1, 2, 3}) {
		t.Errorf("acknowledged %v", sequences(acks))
	}
	if len(f.loader.loaded) != 1 || f.n.g.Instance() != 1500 || f.n.g.MinChosen() != 1500 {
		t.Errorf("loaded %v, at instance %d, the log begins at %d", f.loader.loaded, f.n.g.Instance(), f.n.g.MinChosen())
	}
}

// TestPromiseSurvivesACheckpoint: the record behind the checkpoint has it, and
// only then may the old ones go.
func TestPromiseSurvivesACheckpoint(t *testing.T) {
	f := newFetching(t)
	f.message(paxos.Message{Kind: paxos.Prepare, From: f.b, Instance: 0, Ballot: paxos.Ballot{Number: 77, Node: f.b}})
	f.n.disk()
	f.begin()
	f.block(wire.Checkpoint{From: f.a, Flag: wire.CheckpointEnd, UUID: 5, Sequence: 1, Instance: 1499})
	f.jobs(nil)
	if f.n.g.Instance() != 1500 {
		t.Fatalf("at instance %d", f.n.g.Instance())
	}
	if len(f.n.queue) != 1 || len(f.n.jobs) != 0 {
		t.Fatalf("%d records, jobs %v before the record is on disk", len(f.n.queue), f.n.jobs)
	}
	var r paxos.Record
	if err := wire.DecodeRecord(f.n.queue[0].Data, &r); err != nil || r.Instance != 1500 || r.Promised.Number != 77 || !r.Accepted.IsNull() || !f.n.queue[0].Sync {
		t.Errorf("record %+v, %v", r, err)
	}
	f.n.disk()
	if len(f.n.jobs) != 1 || f.n.jobs[0].Kind != CleanLog || f.n.jobs[0].Instance != 1500 {
		t.Errorf("jobs %+v behind it", f.n.jobs)
	}
}

// begin asks A for a checkpoint and lets it begin transfer 5.
func (f *fetching) begin() {
	f.offers()
	f.n.g.fetch.asked = append(f.n.g.fetch.asked, f.a)
	f.block(wire.Checkpoint{From: f.a, Flag: wire.CheckpointBegin, UUID: 5, Instance: 1499})
	f.jobs(nil)
	f.sent()
}

// TestTransfersThatAreRefused: what does not fit is answered with a no and
// changes nothing; the transfer is asked for again within seconds.
func TestTransfersThatAreRefused(t *testing.T) {
	block := func(f *fetching) wire.Checkpoint {
		c := wire.Checkpoint{From: f.a, Flag: wire.CheckpointBlock, UUID: 5, Sequence: 1, Instance: 1499, SM: 1, Path: "p", Data: []byte("data")}
		c.Checksum = checksum.Sampled(0, c.Data, checksum.ValueStride)
		return c
	}
	for name, test := range map[string]struct {
		play func(f *fetching)
		want []int // acknowledgements; -1 and below: no
		goes bool  // the transfer goes on
	}{
		"a block":  {func(f *fetching) { f.block(block(f)) }, []int{1}, true},
		"twice":    {func(f *fetching) { f.block(block(f)); f.jobs(nil); f.block(block(f)) }, []int{1, 1}, true},
		"checksum": {func(f *fetching) { c := block(f); c.Checksum++; f.block(c) }, []int{-1}, false},
		"gap":      {func(f *fetching) { c := block(f); c.Sequence = 2; f.block(c) }, []int{-1}, false},
		"end early": {func(f *fetching) {
			f.block(wire.Checkpoint{From: f.a, Flag: wire.CheckpointEnd, UUID: 5, Sequence: 9, Instance: 1499})
		}, []int{-1}, false},
		"other transfer": {func(f *fetching) { c := block(f); c.UUID = 6; f.block(c) }, nil, true},
		"other sender":   {func(f *fetching) { c := block(f); c.From = f.b; f.block(c) }, nil, true},
		"begin of one that was not asked": {func(f *fetching) {
			f.n.g.fetch.asked = []nodeid.ID{f.a}
			f.block(wire.Checkpoint{From: f.b, Flag: wire.CheckpointBegin, UUID: 8, Instance: 1499})
		}, []int{-1}, true},
		"begin of another while one is under way": {func(f *fetching) {
			f.n.g.fetch.asked = []nodeid.ID{f.a, f.b}
			f.block(wire.Checkpoint{From: f.b, Flag: wire.CheckpointBegin, UUID: 8, Instance: 1499})
		}, []int{-1}, true},
		"too many blocks in flight": {func(f *fetching) {
			for i := range uint64(fetchAhead) + 2 {
				c := block(f)
				c.Sequence = i + 1
				f.block(c)
			}
		}, []int{-fetchAhead - 1}, false},
		"a stranger's begin": {func(f *fetching) {
			f.n.g.system.v.Cluster = f.gid
			f.block(wire.Checkpoint{From: 99<<32 | 1, Flag: wire.CheckpointBegin, UUID: 8, Instance: 1499})
		}, nil, true},
		"silence": {func(f *fetching) { f.now += fetchIdle; f.n.g.Tick(f.now); f.n.g.Flush() }, []int{-1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFetching(t)
			f.begin()
			test.play(f)
			kinds := f.jobs(nil)
			_, acks, _ := f.sent()
			got := sequences(acks)
			if name == "too many blocks in flight" { // each further one is refused, too
				got = got[:1]
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("acknowledged %v, want %v", got, test.want)
			}
			if goes := f.n.g.fetch.stage == fetchFiles && f.n.g.fetch.uuid == 5; goes != test.goes {
				t.Errorf("the transfer goes on: %v; jobs %v", goes, kinds)
			}
			if f.n.g.Instance() != 0 || len(f.loader.loaded) > 0 {
				t.Error("something was loaded")
			}
			if test.goes {
				return
			}
			f.now += fetchBegin
			f.n.g.Tick(f.now)
			f.offers()
			if asks, _, _ := f.sent(); len(asks) != 1 {
				t.Errorf("asked %v again", asks)
			}
		})
	}
}

// TestDiskTroubleOfATransfer: it is given up, nothing is loaded; and a state
// machine that refuses leaves the group as it was.
func TestDiskTroubleOfATransfer(t *testing.T) {
	f := newFetching(t)
	f.begin()
	f.block(wire.Checkpoint{From: f.a, Flag: wire.CheckpointEnd, UUID: 5, Sequence: 1, Instance: 1499})
	f.jobs(errors.New("disk full"))
	if f.n.g.fetch.stage != fetchNone || f.n.count[event.CheckpointLoadFail] != 1 {
		t.Errorf("stage %v, %d failures", f.n.g.fetch.stage, f.n.count[event.CheckpointLoadFail])
	}
	f = newFetching(t)
	f.loader.err = errors.New("not now")
	f.begin()
	f.block(wire.Checkpoint{From: f.a, Flag: wire.CheckpointEnd, UUID: 5, Sequence: 1, Instance: 1499})
	f.jobs(nil)
	if f.n.g.fetch.stage != fetchNone || f.n.g.Instance() != 0 || f.n.g.Err() != nil {
		t.Errorf("stage %v, at instance %d, %v", f.n.g.fetch.stage, f.n.g.Instance(), f.n.g.Err())
	}
}

// TestOneTellerIsNotEnough: if only one of several others says that its log
// begins too late, this node waits a minute.
func TestOneTellerIsNotEnough(t *testing.T) {
	f := newFetching(t)
	for range 40 {
		f.message(paxos.Message{Kind: paxos.Offer, From: f.a, Now: 1600, MinChosen: 1200})
		if asks, _, _ := f.sent(); len(asks) > 0 {
			if f.now < fetchAlone {
				t.Fatalf("asked after %v", f.now)
			}
			return
		}
		f.now += 3 * time.Second
		f.n.g.Tick(f.now)
	}
	t.Error("never asked")
}

// TestNobodyCanLoad: a state machine without snapshots that has had entries is
// named, and no node is asked in vain.
func TestNobodyCanLoad(t *testing.T) {
	f := newFetching(t)
	f.n.g.exec.machines = []sm.StateMachine{&recorder{id: 3}}
	f.n.g.entries.tracker.Note(3, 0)
	f.offers()
	if asks, _, _ := f.sent(); len(asks) > 0 || f.n.count[event.CheckpointNeeded] != 1 {
		t.Errorf("asked %v, said so %d times", asks, f.n.count[event.CheckpointNeeded])
	}
}

// TestCannotLoadWhatHasEntries: a state machine without snapshots that knows of
// no entries for it asks, and takes a checkpoint only if the sender knows of
// none either.
func TestCannotLoadWhatHasEntries(t *testing.T) {
	for what, test := range map[string]struct {
		l    ledger.Ledger
		want bool
	}{
		"nothing is said":          {ledger.Ledger{}, false},
		"no entries":               {ledger.Ledger{Through: 1500}, true},
		"unknown at the beginning": {ledger.Ledger{From: 100, Through: 1500}, false},
		"entries":                  {ledger.Ledger{Through: 1500, Machines: []ledger.Machine{{ID: 3, Next: 7, Clear: 1500}}}, false},
	} {
		f := newFetching(t)
		f.n.g.exec.machines = []sm.StateMachine{&recorder{id: 3}}
		f.offers()
		asks, _, _ := f.sent()
		if len(asks) != 1 {
			t.Fatalf("%s: asked %v", what, asks)
		}
		f.block(wire.Checkpoint{From: asks[0], Flag: wire.CheckpointBegin, UUID: 8, Instance: 1499, Ledger: test.l.Append(nil)})
		if began := f.n.g.fetch.stage == fetchFiles; began != test.want {
			t.Errorf("%s: the transfer is taken: %v", what, began)
		}
	}
}
