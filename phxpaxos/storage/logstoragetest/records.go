package logstoragetest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func put(group int, instance uint64, seed uint64) storage.Put {
	return storage.Put{Group: group, Instance: instance, Data: Record(instance, 60, seed), Sync: true}
}

func open(t *testing.T, f Factory, groups int) storage.LogStorage {
	t.Helper()
	s := f.Open(t, groups)
	t.Cleanup(func() { s.Close() })
	return s
}

// mustWrite writes puts, and then does to what it handed over what its owner
// may do.
func mustWrite(t *testing.T, s storage.LogStorage, puts ...storage.Put) {
	t.Helper()
	lent := slices.Clone(puts)
	for i := range lent {
		lent[i].Data = bytes.Clone(lent[i].Data)
	}
	if err := s.Write(lent); err != nil {
		t.Fatalf("Write: %v", err)
	}
	for i := range lent {
		clear(lent[i].Data)
		lent[i] = storage.Put{}
	}
}

func wantRecord(t *testing.T, s storage.LogStorage, p storage.Put) {
	t.Helper()
	got, err := s.Read(p.Group, p.Instance, nil)
	if err != nil {
		t.Fatalf("Read(%d, %d): %v", p.Group, p.Instance, err)
	}
	if !bytes.Equal(got, p.Data) {
		t.Fatalf("Read(%d, %d) returned %d bytes that differ from the %d written", p.Group, p.Instance, len(got), len(p.Data))
	}
}

func wantAbsent(t *testing.T, s storage.LogStorage, group int, instance uint64) {
	t.Helper()
	if _, err := s.Read(group, instance, nil); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("Read(%d, %d): %v, want ErrNotFound", group, instance, err)
	}
}

func wantMax(t *testing.T, s storage.LogStorage, group int, want uint64) {
	t.Helper()
	got, err := s.Max(group)
	if err != nil || got != want {
		t.Fatalf("Max(%d) = %d, %v, want %d", group, got, err, want)
	}
}

func wantNoMax(t *testing.T, s storage.LogStorage, group int) {
	t.Helper()
	if got, err := s.Max(group); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("Max(%d) = %d, %v, want ErrNotFound", group, got, err)
	}
}

func testEmpty(t *testing.T, f Factory) {
	s := open(t, f, 2)
	if s.Groups() != 2 {
		t.Errorf("Groups() = %d, want 2", s.Groups())
	}
	for group := range 2 {
		wantNoMax(t, s, group)
		wantAbsent(t, s, group, 0)
		wantAbsent(t, s, group, ^uint64(0))
		if _, err := s.Variable(group, storage.MinChosen); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Variable: %v, want ErrNotFound", err)
		}
	}
	if err := s.Write(nil); err != nil {
		t.Errorf("Write of nothing: %v", err)
	}
}

func testReadBack(t *testing.T, f Factory) {
	s := open(t, f, 1)
	for i := range uint64(50) {
		p := put(0, i, i)
		p.Sync = i%3 == 0
		mustWrite(t, s, p)
		wantRecord(t, s, p) // also what is not synced can be read
	}
	for i := range uint64(50) {
		wantRecord(t, s, put(0, i, i))
	}
	wantAbsent(t, s, 0, 50)
}

func testReplace(t *testing.T, f Factory) {
	s := open(t, f, 1)
	for seed := range uint64(5) {
		mustWrite(t, s, put(0, 7, seed))
		wantRecord(t, s, put(0, 7, seed))
	}
	wantMax(t, s, 0, 7)
}

func testOrderInBatch(t *testing.T, f Factory) {
	s := open(t, f, 2)
	mustWrite(t, s, put(0, 1, 1), put(1, 1, 1), put(0, 1, 2), put(0, 2, 3), put(1, 1, 4), put(0, 2, 5))
	wantRecord(t, s, put(0, 1, 2))
	wantRecord(t, s, put(0, 2, 5))
	wantRecord(t, s, put(1, 1, 4))
}

// wantRefused checks that only one group of a batch was refused, that none of
// its puts was written, and that it still works.
func wantRefused(t *testing.T, s storage.LogStorage, batch []storage.Put, group int, want error) {
	t.Helper()
	err := s.Write(batch)
	var we *storage.WriteError
	if !errors.As(err, &we) || len(we.Groups) != 1 || !errors.Is(we.Groups[group], want) {
		t.Fatalf("Write: %v, want a *WriteError for group %d alone that matches %v", err, group, want)
	}
	if errors.Is(err, storage.ErrFailed) {
		t.Fatalf("Write: %v: a put that was refused must not fail its group", err)
	}
}

func testOrderRefused(t *testing.T, f Factory) {
	s := open(t, f, 2)
	mustWrite(t, s, put(0, 10, 1))
	wantRefused(t, s, []storage.Put{put(0, 10, 2), put(1, 3, 3), put(0, 9, 4)}, 0, storage.ErrOrder)
	wantRecord(t, s, put(0, 10, 1))
	wantRecord(t, s, put(1, 3, 3))
	wantAbsent(t, s, 0, 9)
	mustWrite(t, s, put(0, 10, 5), put(0, 20, 6)) // gaps are fine
	wantRecord(t, s, put(0, 20, 6))
	wantAbsent(t, s, 0, 15)
}

func testRecordRefused(t *testing.T, f Factory) {
	s := open(t, f, 2)
	empty := storage.Put{Group: 1, Instance: 1, Sync: true}
	wantRefused(t, s, []storage.Put{put(0, 1, 1), empty}, 1, storage.ErrRecord)
	wantRecord(t, s, put(0, 1, 1))
	mustWrite(t, s, put(1, 0, 2))
}

func testGroupRange(t *testing.T, f Factory) {
	s := open(t, f, 2)
	for _, group := range []int{-1, 2, 1 << 30} {
		calls := map[string]error{
			"Write":       s.Write([]storage.Put{put(0, 0, 0), put(group, 0, 0)}),
			"Trim":        s.Trim(group, 1),
			"Drop":        s.Drop(group, 1),
			"Clear":       s.Clear(group),
			"SetVariable": s.SetVariable(group, storage.SystemVariables, []byte("x")),
		}
		_, calls["Read"] = s.Read(group, 0, nil)
		_, calls["Max"] = s.Max(group)
		_, calls["Variable"] = s.Variable(group, storage.SystemVariables)
		for name, err := range calls {
			if !errors.Is(err, storage.ErrGroup) {
				t.Errorf("%s for group %d: %v, want ErrGroup", name, group, err)
			}
		}
		if dir := s.Dir(group); dir != "" {
			t.Errorf("Dir(%d) = %q", group, dir)
		}
	}
	wantNoMax(t, s, 0) // a batch with a wrong group writes nothing
}

func testSizes(t *testing.T, f Factory) {
	s := open(t, f, 1)
	var all []storage.Put
	for i, size := range []int{1, 30, 511, 512, 513, 4096, 65536, 1 << 20, 10 << 20} {
		if size > f.LargestBytes {
			break
		}
		p := storage.Put{Instance: uint64(i), Data: Record(uint64(i), size, 1), Sync: true}
		mustWrite(t, s, p)
		all = append(all, p)
	}
	// Values of zeros are values too, and they are hard to tell from nothing.
	zeros := Record(100, min(20000, f.LargestBytes), 1)
	clear(zeros[20 : len(zeros)-20])
	all = append(all, storage.Put{Instance: 100, Data: zeros, Sync: true}, put(0, 101, 1))
	mustWrite(t, s, all[len(all)-2:]...)
	for _, p := range all {
		wantRecord(t, s, p)
	}
	if f.Reopen == nil {
		return
	}
	s = reopen(t, f, s)
	for _, p := range all {
		wantRecord(t, s, p)
	}
}

func testManyGroups(t *testing.T, f Factory) {
	const groups = 20
	s := open(t, f, groups)
	for round := range uint64(5) {
		var batch []storage.Put
		for group := range groups {
			for range 3 {
				batch = append(batch, put(group, round, round*100+uint64(group)))
			}
		}
		mustWrite(t, s, batch...)
	}
	for group := range groups {
		wantMax(t, s, group, 4)
		for round := range uint64(5) {
			wantRecord(t, s, put(group, round, round*100+uint64(group)))
		}
	}
}

func testBufferReuse(t *testing.T, f Factory) {
	s := open(t, f, 1)
	mustWrite(t, s, put(0, 0, 1), put(0, 1, 2))
	buf := make([]byte, 0, 4096)
	first, err := s.Read(0, 0, buf)
	if err != nil {
		t.Fatal(err)
	}
	if &first[0] != &buf[:1][0] {
		t.Error("Read did not use the buffer that was large enough")
	}
	keep := bytes.Clone(first)
	second, err := s.Read(0, 1, nil)
	if err != nil || !bytes.Equal(first, keep) || bytes.Equal(first, second) {
		t.Errorf("a second Read changed what the first one returned: %v", err)
	}
}
