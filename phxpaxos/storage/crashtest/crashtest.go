package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// Store is a log storage that says which groups do not work.
type Store interface {
	storage.LogStorage
	Err(group int) error
}

// Subject is what is tested.
type Subject struct {
	// Draw draws how the store is opened in one history. It must be set.
	Draw func(r *rand.Rand) OpenFunc
	// Names are endings of names of files whose next write or sync may be
	// made to fail; "" is any file.
	Names []string
}

// OpenFunc opens the store on a file system.
type OpenFunc func(fsys *memfs.FS, groups int) (Store, error)

// Run plays histories number from … from+count-1: lives of a store with
// random operations and failures, each ended in one of the ways there are.
// After each the next life must find what may be there and nothing else.
func Run(t *testing.T, sub Subject, from, count uint64, lives, steps int) {
	for seed := from; seed < from+count; seed++ {
		newHistory(t, seed, sub).run(lives, steps)
	}
}

// groupModel is what a group must hold: the dumb version that judges the store.
type groupModel struct {
	puts    []storage.Put // since the group was cleared, in order; a drop is a put without data
	durable int           // so many of them survive anything
	trims   []trimmed     // below them records may be gone
	hidden  uint64        // below it they are, until the store is opened again
	vars    map[storage.Variable]string
}

// trimmed is a Trim, with how many puts were in front of it.
type trimmed struct {
	below uint64
	puts  int
}

// floor is below what records may be gone if the first k puts survived: what
// was put after a Trim is not concerned by it.
func (m groupModel) floor(k int) uint64 {
	floor := uint64(0)
	for _, t := range m.trims {
		below := t.below
		for i := t.puts; i < k; i++ {
			below = min(below, m.puts[i].Instance)
		}
		floor = max(floor, below)
	}
	return floor
}

func newModel() groupModel {
	return groupModel{vars: map[storage.Variable]string{}}
}

func (m groupModel) clone() groupModel {
	m.puts = slices.Clone(m.puts)
	m.trims = slices.Clone(m.trims)
	m.vars = maps.Clone(m.vars)
	return m
}

// after returns the newest records among the first k puts.
func (m groupModel) after(k int) map[uint64][]byte {
	out := map[uint64][]byte{}
	for _, p := range m.puts[:k] {
		out[p.Instance] = p.Data
		if p.Data == nil {
			delete(out, p.Instance)
		}
	}
	return out
}

// history is one random life of a store on a disk that fails.
type history struct {
	t      *testing.T
	seed   uint64
	r      *rand.Rand
	fs     *memfs.FS
	sub    Subject
	again  OpenFunc
	groups int
	s      Store
	models []groupModel
	maybe  [][]groupModel // what an operation that was cut off may have led to
	next   []uint64
	serial uint64
	log    []string
}

func newHistory(t *testing.T, seed uint64, sub Subject) *history {
	r := rand.New(rand.NewPCG(seed, 1))
	h := &history{t: t, seed: seed, r: r, fs: memfs.New(), sub: sub, groups: 1 + r.IntN(3)}
	h.again = sub.Draw(r)
	h.models = make([]groupModel, h.groups)
	h.maybe = make([][]groupModel, h.groups)
	h.next = make([]uint64, h.groups)
	for g := range h.models {
		h.models[g] = newModel()
	}
	return h
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// crash loses power and restores it.
func (h *history) crash(p memfs.Policy, r *rand.Rand) {
	h.fs = h.fs.Crash(p, r)
}

func (h *history) fatalf(format string, args ...any) {
	h.t.Helper()
	for _, line := range h.log[max(0, len(h.log)-40):] {
		h.t.Log(line)
	}
	h.t.Fatalf("seed %d: %s", h.seed, fmt.Sprintf(format, args...))
}

// powerWent looks for memfs.ErrCrashed also where LevelDB made text of it.
func powerWent(err error) bool {
	return err != nil && strings.Contains(err.Error(), memfs.ErrCrashed.Error())
}

const injected = "injected failure"

// unreported says that Open got the error of a writeback that failed in the
// life before.
func unreported(err error) bool { return err != nil && strings.Contains(err.Error(), injected) }

func (h *history) open() bool {
	s, err := h.again(h.fs, h.groups)
	if powerWent(err) || unreported(err) {
		h.note("open was cut off")
		return false
	}
	if err != nil {
		h.fatalf("open: %v", err)
	}
	h.s = s
	for g := range h.groups {
		if err := s.Err(g); powerWent(err) || unreported(err) {
			h.note("open was cut off")
			return false
		} else if err != nil {
			h.fatalf("open: group %d: %v", g, err)
		}
	}
	h.note("opened")
	return true
}

func (h *history) put(g int) storage.Put {
	switch h.r.IntN(6) {
	case 0, 1, 2:
		h.next[g]++
	case 3:
		h.next[g] += uint64(h.r.IntN(3))
	}
	h.serial++
	size := 24 + h.r.IntN(80)
	if h.r.IntN(5) == 0 {
		size = h.r.IntN(2500)
	}
	data := logstoragetest.Record(h.next[g], size, h.serial)
	if len(data) > 1500 && h.r.IntN(2) == 0 {
		clear(data[30 : len(data)-30]) // a value with sectors of zeros
	}
	return storage.Put{Group: g, Instance: h.next[g], Data: data, Sync: h.r.IntN(2) == 0}
}

func (h *history) write() error {
	var batch []storage.Put
	for range 1 + h.r.IntN(5) {
		batch = append(batch, h.put(h.r.IntN(h.groups)))
	}
	err := h.s.Write(batch)
	var we *storage.WriteError
	errors.As(err, &we)
	for _, p := range batch {
		m := &h.models[p.Group]
		m.puts = append(m.puts, p)
		m.hidden = min(m.hidden, p.Instance)
	}
	for _, p := range batch {
		m := &h.models[p.Group]
		if p.Sync && (err == nil || we != nil && we.Groups[p.Group] == nil) {
			for i, q := range m.puts {
				if q.Data != nil && &q.Data[0] == &p.Data[0] {
					m.durable = max(m.durable, i+1)
				}
			}
		}
		h.note("write group %d instance %d %d bytes sync %v: %v", p.Group, p.Instance, len(p.Data), p.Sync, err)
	}
	return err
}

// step does one random thing. An error means that the store has to be opened
// again.
func (h *history) step() error {
	g := h.r.IntN(h.groups)
	m := &h.models[g]
	switch n := h.r.IntN(40); {
	case n < 25:
		return h.write()
	case n < 29:
		if len(m.puts) == 0 {
			return nil
		}
		last := uint64(0)
		for _, p := range m.puts {
			last = max(last, p.Instance)
		}
		below := uint64(h.r.IntN(int(last) + 3))
		m.trims = append(m.trims, trimmed{min(below, last+1), len(m.puts)})
		m.hidden = max(m.hidden, min(below, last+1))
		h.note("trim group %d below %d", g, below)
		return h.s.Trim(g, below)
	case n < 31:
		name := storage.Variable(h.r.IntN(3))
		value := fmt.Sprintf("%08d", h.r.IntN(1e8))
		after := m.clone()
		after.vars[name] = value
		err := h.s.SetVariable(g, name, []byte(value))
		h.note("set group %d variable %d to %s: %v", g, name, value, err)
		return h.settled(g, after, err)
	case n < 32:
		after := newModel()
		after.vars = maps.Clone(m.vars)
		delete(after.vars, storage.MinChosen)
		err := h.s.Clear(g)
		h.note("clear group %d: %v", g, err)
		return h.settled(g, after, err)
	case n < 33:
		return h.drop(g)
	default:
		return h.read(g)
	}
}

func (h *history) drop(g int) error {
	m := &h.models[g]
	if len(m.puts) == 0 {
		return nil
	}
	i := m.puts[len(m.puts)-1].Instance
	if h.r.IntN(2) == 0 {
		i = uint64(h.r.IntN(int(i) + 1))
	}
	// Dropping makes durable what is in front of it.
	_, known := m.after(len(m.puts))[i]
	after := m.clone()
	after.puts = append(after.puts, storage.Put{Instance: i})
	after.durable = len(after.puts)
	err := h.s.Drop(g, i)
	h.note("drop group %d instance %d: %v", g, i, err)
	if err == nil && (!known || i < m.floor(len(m.puts))) {
		return nil // there was nothing to drop, or may have been nothing
	}
	return h.settled(g, after, err)
}

func (h *history) settled(g int, after groupModel, err error) error {
	if err == nil {
		h.models[g] = after
		return nil
	}
	h.maybe[g] = append(h.maybe[g], after)
	return err
}

// read compares everything in a group, without a crash in between.
func (h *history) read(g int) error {
	m := h.models[g]
	if why := h.compare(g, m, len(m.puts), true); why == powerGone {
		return memfs.ErrCrashed
	} else if why != "" {
		h.fatalf("group %d: %s", g, why)
	}
	return nil
}

const powerGone = "the power is gone"

// compare says how the group differs from the first k puts, "" for not.
func (h *history) compare(g int, m groupModel, k int, exact bool) string {
	want := m.after(k)
	floor := m.floor(k)
	top := uint64(0)
	for i := uint64(0); i <= h.next[g]+2; i++ {
		got, err := h.s.Read(g, i, nil)
		data, some := want[i]
		switch {
		case powerWent(err):
			return powerGone
		case err != nil && !errors.Is(err, storage.ErrNotFound):
			h.fatalf("group %d: Read(%d): %v", g, i, err)
		case err == nil && (!some || !bytes.Equal(got, data)):
			return fmt.Sprintf("instance %d: found %d bytes that should not be there", i, len(got))
		case err == nil && exact && i < m.hidden:
			return fmt.Sprintf("instance %d was trimmed and is still found", i)
		case err != nil && some && i >= floor:
			return fmt.Sprintf("instance %d is missing", i)
		}
		if err == nil {
			top = i
		}
	}
	if got, err := h.s.Max(g); err == nil && got != top || err != nil && top != 0 {
		return fmt.Sprintf("Max is %d, %v, the highest record is %d", got, err, top)
	}
	for name := storage.Variable(0); name < 3; name++ {
		got, err := h.s.Variable(g, name)
		if errors.Is(err, storage.ErrNotFound) {
			err = nil
		}
		if err != nil || string(got) != m.vars[name] {
			return fmt.Sprintf("variable %d is %q, %v, want %q", name, got, err, m.vars[name])
		}
	}
	return ""
}

// reconcile finds the state that a crash may have led to and goes on with it:
// all puts up to a point that is not in front of the durable ones.
func (h *history) reconcile() {
	for g := range h.groups {
		var why []string
		found := false
		for _, m := range append(h.maybe[g], h.models[g]) {
			for k := len(m.puts); k >= m.durable && !found; k-- {
				if w := h.compare(g, m, k, false); w != "" {
					why = append(why, fmt.Sprintf("%d of %d puts (%d durable): %s", k, len(m.puts), m.durable, w))
					continue
				}
				found = true
				m.puts, m.durable, m.hidden = m.puts[:k:k], k, 0
				for i := range m.trims {
					m.trims[i].puts = min(m.trims[i].puts, k)
				}
				h.next[g] = 0
				for _, p := range m.puts {
					h.next[g] = max(h.next[g], p.Instance)
				}
				h.models[g] = m
			}
		}
		if !found {
			h.fatalf("group %d is in no state that it may be in:\n%v", g, why)
		}
		h.maybe[g] = nil
	}
}

// end ends the life of the store in one of the ways there are.
func (h *history) end(failed bool) {
	switch n := h.r.IntN(8); {
	case n <= 1 && !failed:
		if err := h.s.Close(); powerWent(err) {
			h.note("close was cut off")
			h.crash(memfs.Policy(h.r.IntN(memfs.Policies)), h.r)
			return
		} else if err != nil {
			h.note("close failed: %v", err) // LevelDB met a failure in the background
			return
		}
		h.note("close")
		for g := range h.models {
			h.models[g].durable = len(h.models[g].puts)
		}
		if n == 1 {
			h.note("and power loss")
			h.crash(memfs.LoseAll, nil)
		}
	case n == 2:
		h.note("kill")
		h.fs = h.fs.Kill()
		h.s.Close()
	case n == 3 && failed:
		h.note("close after a failure")
		h.s.Close()
	default:
		p := memfs.Policy(h.r.IntN(memfs.Policies))
		h.note("power loss, policy %d", p)
		h.crash(p, h.r)
		h.s.Close()
	}
}

// inject prepares a failure for the steps that follow.
func (h *history) inject() {
	boom := errors.New(injected)
	switch h.r.IntN(6) {
	case 0, 1:
		n := 1 + h.r.IntN(60)
		h.note("the power will go after %d changes", n)
		h.fs.CrashAfter(n)
	case 2:
		h.note("a sync will fail")
		h.fs.FailNext(memfs.OpSync, h.sub.Names[h.r.IntN(len(h.sub.Names))], boom)
	case 3:
		h.note("a write will fail")
		h.fs.FailNext(memfs.OpWrite, h.sub.Names[h.r.IntN(len(h.sub.Names))], boom)
	case 4:
		n := int64(h.r.IntN(3000))
		h.note("the disk will be full after %d bytes", n)
		h.fs.SetRoom(n)
	case 5:
		n := h.fs.FailWriteback(h.sub.Names[h.r.IntN(len(h.sub.Names))], boom, nil)
		h.note("writeback failed in %d files", n)
	}
}

func (h *history) run(lives, steps int) {
	for range lives {
		if h.r.IntN(8) == 0 && h.s != nil {
			h.fs.CrashAfter(h.r.IntN(40)) // also recovery may be cut off
		}
		for !h.open() {
			h.crash(memfs.Policy(h.r.IntN(memfs.Policies)), h.r)
			if h.s != nil {
				h.s.Close()
			}
		}
		h.fs.CrashAfter(1 << 30)
		h.reconcile()
		n := 1 + h.r.IntN(steps)
		at := h.r.IntN(2 * n)
		failed := false
		for i := 0; i < n && !failed; i++ {
			if i == at {
				h.inject()
			}
			if err := h.step(); err != nil {
				h.note("failed: %v", err)
				failed = true
			}
		}
		for g := range h.groups {
			failed = failed || h.s.Err(g) != nil
		}
		h.fs.ClearFaults()
		h.end(failed)
	}
}
