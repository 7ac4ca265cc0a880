package phxkv

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

func open(t *testing.T, path string) *Machine {
	t.Helper()
	m, err := OpenMachine(path, filepath.Join(path, "no log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m != nil {
			m.Close()
		}
	})
	return m
}

func operation(t testing.TB, operator uint32, key, value string, version uint64) []byte {
	t.Helper()
	b, err := proto.Marshal(&kvpb.KVOperator{Key: key, Value: []byte(value), Version: version, Operator: operator, Sid: rand.Uint32()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func execute(t *testing.T, m *Machine, e sm.Entry) []byte {
	t.Helper()
	result, err := m.Execute(e)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// The rules are the original's (spec/storage-api.md section 9.3).
func TestRules(t *testing.T) {
	m := open(t, t.TempDir())
	const key = "key_hello"
	group, instance := GroupOf(key), uint64(0)
	for i, step := range []struct {
		operator uint32
		value    string
		version  uint64
		result   []byte
		want     *Data // behind it
	}{
		{operatorDelete, "", 1, conflict, &Data{}},
		{operatorWrite, "a", 1, conflict, &Data{}},
		{operatorWrite, "a", 0, done, &Data{Value: []byte("a"), Version: 1}},
		{operatorWrite, "b", 0, conflict, &Data{Value: []byte("a"), Version: 1}},
		{operatorWrite, "b", 7, conflict, &Data{Value: []byte("a"), Version: 1}},
		{operatorWrite, "b", 1, done, &Data{Value: []byte("b"), Version: 2}},
		{operatorRead, "", 2, refused, &Data{Value: []byte("b"), Version: 2}},
		{9, "", 2, refused, &Data{Value: []byte("b"), Version: 2}},
		{operatorDelete, "", 1, conflict, &Data{Value: []byte("b"), Version: 2}},
		{operatorDelete, "", 2, done, &Data{Value: []byte("b"), Version: 3, Isdeleted: true}},
		{operatorDelete, "", 3, done, &Data{Version: 4, Isdeleted: true}},
		{operatorWrite, "", 4, done, &Data{Version: 5}},
	} {
		result := execute(t, m, sm.Entry{Group: group, Instance: instance, Last: true, Value: operation(t, step.operator, key, step.value, step.version)})
		instance++
		data, err := m.Get(t.Context(), key)
		if err != nil || &result[0] != &step.result[0] || !proto.Equal(data, step.want) {
			t.Errorf("step %d: result %v, %v, %v; want %v, %v", i, result, data, err, step.result, step.want)
		}
	}
	if result := execute(t, m, sm.Entry{Group: group, Instance: instance, Last: true, Value: []byte("garbage")}); &result[0] != &refused[0] {
		t.Errorf("garbage: %v", result)
	}
}

func TestGroupOfCountsBytesAsSigned(t *testing.T) {
	for key, want := range map[string]int{
		"": 0, "a": 1, "b": 2, "c": 0, "key_hello": 2, "key1": 0, "key2": 1, "key3": 2,
		"\x80": int((uint32(0x100000000 - 128)) % 3), "\xff": int(uint32(0xffffffff) % 3),
	} {
		if got := GroupOf(key); got != want {
			t.Errorf("GroupOf(%q) = %d, want %d", key, got, want)
		}
	}
}

// script is a log for one group, and what must have become of its keys.
type script struct {
	group   int
	entries []sm.Entry
}

// keyOf is the n-th key of a group.
func keyOf(group, n int) string {
	for i := 0; ; i++ {
		if key := fmt.Sprintf("k%d", i); GroupOf(key) == group {
			if n--; n < 0 {
				return key
			}
		}
	}
}

// newScript makes a log with batches, conflicts and gaps, as elections leave
// them. Versions are guesses, so that an operation executed twice, or left
// out, changes what later ones do.
func newScript(t *testing.T, group, instances int, r *rand.Rand) script {
	s := script{group: group}
	for i := range instances {
		if r.IntN(5) == 0 {
			continue
		}
		n := 1 + r.IntN(4)
		for j := range n {
			operator := uint32(operatorWrite)
			if r.IntN(4) == 0 {
				operator = operatorDelete
			}
			value := operation(t, operator, keyOf(group, r.IntN(3)), fmt.Sprint(i, ".", j), uint64(r.IntN(i/4+2)))
			s.entries = append(s.entries, sm.Entry{Group: group, Instance: uint64(i), Index: j, Last: j == n-1, Value: value})
		}
	}
	return s
}

// state is everything that a group holds.
func state(t *testing.T, m *Machine, group int) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := m.Scan(t.Context(), group, "", func(key string, data *Data) (bool, error) {
		all[key] = fmt.Sprintf("%q %d %v", data.Value, data.Version, data.Isdeleted)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// replay gives a machine what a node gives it when it starts.
func (s *script) replay(t *testing.T, m *Machine) {
	t.Helper()
	from := m.CheckpointInstance(s.group) + 1
	for _, e := range s.entries {
		if e.Instance >= from {
			e.Replay = true
			execute(t, m, e)
		}
	}
}

// crash copies the database as a crash of the process would leave it.
func crash(t *testing.T, m *Machine) string {
	t.Helper()
	for _, s := range m.stores {
		s.flushing.Lock() // a copy takes longer than a crash
		defer s.flushing.Unlock()
	}
	return copyTree(t, m.path)
}

func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// After a crash at any point, also in the middle of an instance and with any
// part on disk, the log brings back exactly what there was.
func TestExactlyOnceAcrossCrashes(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newScript(t, int(seed%Groups), 60, r)
		whole := open(t, t.TempDir())
		s.replay(t, whole)
		want := state(t, whole, s.group)

		m := open(t, t.TempDir())
		crashAt := r.IntN(len(s.entries))
		for i, e := range s.entries {
			execute(t, m, e)
			if r.IntN(6) == 0 {
				if err := m.stores[s.group].flush(); err != nil {
					t.Fatal(err)
				}
			}
			if i == crashAt {
				break
			}
		}
		promised := m.CheckpointInstance(s.group)
		again := open(t, crash(t, m))
		if found := again.CheckpointInstance(s.group); found+1 < promised+1 {
			t.Fatalf("seed %d: checkpoint %d was promised and %d is on disk", seed, promised, found)
		}
		s.replay(t, again)
		if got := state(t, again, s.group); !maps.Equal(got, want) {
			t.Fatalf("seed %d: after a crash behind entry %d of %d:\n%v\nwant\n%v", seed, crashAt, len(s.entries), got, want)
		}
	}
}

// The log behind the checkpoint is cleaned: what is only in memory must not
// count.
func TestCheckpointIsWhatIsOnDisk(t *testing.T) {
	m := open(t, t.TempDir())
	if got := m.CheckpointInstance(1); got != sm.NoCheckpoint {
		t.Fatalf("checkpoint of an empty store is %d", got)
	}
	put := func(instance uint64, index int, last bool) {
		execute(t, m, sm.Entry{Group: 1, Instance: instance, Index: index, Last: last, Value: operation(t, operatorWrite, "a", "v", 0)})
	}
	flush := func() {
		if err := m.stores[1].flush(); err != nil {
			t.Fatal(err)
		}
	}
	// The goroutine that flushes now and then may come first: then so much is
	// on disk, which a copy of the directory shows.
	check := func(most uint64) {
		t.Helper()
		got := m.CheckpointInstance(1)
		if got+1 > most+1 {
			t.Errorf("checkpoint %d, at most %d was executed", got, most)
		}
		if on := open(t, crash(t, m)).CheckpointInstance(1); on+1 < got+1 {
			t.Errorf("checkpoint %d, and %d is on disk", got, on)
		}
	}
	put(4, 0, true)
	check(4)
	flush()
	if got := m.CheckpointInstance(1); got != 4 {
		t.Errorf("checkpoint %d, want 4", got)
	}
	put(5, 0, false)
	flush()
	if got := m.CheckpointInstance(1); got != 4 {
		t.Errorf("checkpoint %d in the middle of instance 5, want 4", got)
	}
	put(5, 1, true)
	check(5)
	flush()
	if got := m.CheckpointInstance(1); got != 5 {
		t.Errorf("checkpoint %d, want 5", got)
	}
	if got := m.CheckpointInstance(0); got != sm.NoCheckpoint {
		t.Errorf("another group's checkpoint is %d", got)
	}
}

// A database that cannot be written stops the group with an error, and
// nothing that was not written counts.
func TestFailingDisk(t *testing.T) {
	m := open(t, t.TempDir())
	s := m.stores[1]
	execute(t, m, sm.Entry{Group: 1, Instance: 1, Last: true, Value: operation(t, operatorWrite, "a", "v", 0)})
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	execute(t, m, sm.Entry{Group: 1, Instance: 2, Last: true, Value: operation(t, operatorWrite, "a", "w", 1)})
	s.flushing.Lock()
	s.db.Close() // every write fails from here on
	s.flushing.Unlock()
	if err := s.flush(); err == nil {
		t.Fatal("a closed database was written")
	}
	if _, err := m.Execute(sm.Entry{Group: 1, Instance: 3, Last: true, Value: operation(t, operatorWrite, "a", "x", 2)}); err == nil {
		t.Error("executed on a broken store")
	}
	if broken, works := m.Err(t.Context(), 1), m.Err(t.Context(), 0); broken == nil || works != nil {
		t.Errorf("Err: %v and %v", broken, works)
	}
	if got := m.CheckpointInstance(1); got != 1 {
		t.Errorf("checkpoint %d, want 1", got)
	}
}

// More than fits in memory makes the group wait for the disk, not fail.
func TestManyBytes(t *testing.T) {
	m := open(t, t.TempDir())
	value := string(make([]byte, 512<<10))
	const count = 3 * flushBytes / (512 << 10)
	for i := range count {
		execute(t, m, sm.Entry{Group: 0, Instance: uint64(i), Last: true, Value: operation(t, operatorWrite, keyOf(0, i), value, 0)})
		m.stores[0].mu.RLock()
		have := m.stores[0].fresh.bytes
		m.stores[0].mu.RUnlock()
		if have > flushBytes+len(value)+100 {
			t.Fatalf("%d bytes wait for the disk", have)
		}
	}
	if got := state(t, m, 0); len(got) != count {
		t.Errorf("%d keys, want %d", len(got), count)
	}
}

func TestReadersWhileExecuting(t *testing.T) {
	m := open(t, t.TempDir())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			last := uint64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				data, err := m.Get(t.Context(), "a")
				if err != nil || data.Version < last || data.Version > 0 && string(data.Value) != fmt.Sprint(data.Version-1) {
					t.Errorf("read %v, %v behind version %d", data, err, last)
					return
				}
				last = data.Version
			}
		})
	}
	for i := range 500 {
		execute(t, m, sm.Entry{Group: 1, Instance: uint64(i), Last: true, Value: operation(t, operatorWrite, "a", fmt.Sprint(i), uint64(i))})
		if i%50 == 0 {
			if err := m.stores[1].flush(); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	wg.Wait()
}

func TestOpenRefusesWhatIsInUseAndWhatIsNoDirectory(t *testing.T) {
	path := t.TempDir()
	open(t, path)
	if m, err := OpenMachine(path, ""); err == nil {
		m.Close()
		t.Error("opened twice")
	}
	file := filepath.Join(path, "file")
	if err := os.WriteFile(file, nil, 0o664); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMachine(file, ""); err == nil {
		t.Error("opened a file")
	}
}

// Whatever is proposed, Execute ends, and it does not end the group: an error
// would stop it on all nodes.
func FuzzExecute(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("garbage"))
	f.Add(operation(f, operatorWrite, "a", "v", 0))
	f.Add(operation(f, operatorDelete, "\xff\xff\xff\xff\xff\xff\xff\xff", "", 0))
	m, err := OpenMachine(f.TempDir(), "")
	if err != nil {
		f.Fatal(err)
	}
	defer m.Close()
	instance := uint64(0)
	f.Fuzz(func(t *testing.T, value []byte) {
		instance++
		result, err := m.Execute(sm.Entry{Group: 1, Instance: instance, Last: true, Value: slices.Clone(value)})
		if err != nil || len(result) != 1 {
			t.Errorf("%q: %v, %v", value, result, err)
		}
	})
}
