package logdir_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/journal"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

var small = vfile.Options{FileBytesMax: 8192, FlushEntries: 16, CheckpointBytes: 4096, ZeroAheadMax: 1024}

// A group shows every instance as the store does, also on a copy made while
// the store was in the middle of it.
func TestGroupAgreesWithTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, small)
	if err != nil {
		t.Fatal(err)
	}
	if err := logdirtest.NewWriter(s, 0).Write(300); err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetVariable(0, storage.MinChosen, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	want := make([][]byte, 300)
	for i := range want {
		if want[i], err = s.Read(0, uint64(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"closed": dir, "copied": copied} {
		before := logdirtest.Snapshot(t, dir)
		g, err := logdir.Open(dir, 0)
		if err != nil {
			t.Fatal(name, err)
		}
		for i := range want {
			if data, err := g.Read(uint64(i)); err != nil || !bytes.Equal(data, want[i]) {
				t.Fatalf("%s: instance %d: %v", name, i, err)
			}
		}
		if max, err := g.Max(); max != 299 || err != nil {
			t.Errorf("%s: max %d, %v", name, max, err)
		}
		if _, err := g.Read(300); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := g.Variable(storage.SystemVariables); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if err := g.Close(); err != nil {
			t.Error(name, err)
		}
		if logdirtest.Snapshot(t, dir) != before {
			t.Errorf("%s: the directory was changed", name)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, small)
	if err != nil {
		t.Fatal(err)
	}
	group := logdir.GroupDir(dir, 0)
	if _, err := logdir.Lock(group); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("a store has it: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	first, err := logdir.Lock(group)
	if err != nil {
		t.Fatal(err)
	}
	second, err := logdir.Lock(group) // readers do not keep each other out
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := vfile.Open(dir, 1, small); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("a reader has it: %v", err)
	}
	second.Close()
	if s, err = vfile.Open(dir, 1, small); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Remove(filepath.Join(group, "LOCK")); err != nil {
		t.Fatal(err)
	}
	free, err := logdir.Lock(group)
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	if _, err := os.Stat(filepath.Join(group, "LOCK")); err == nil {
		t.Error("LOCK was made")
	}
}

func TestLayout(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"g0", "g10", "g2", "g2.bak", "g3.new", "g01", "gx", "g", "other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, err := logdir.ReadLayout(dir)
	if err != nil || len(l.Groups) != 3 || l.Groups[2] != 10 || len(l.Backups) != 1 || l.Backups[0] != 2 || len(l.News) != 1 || l.News[0] != 3 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := logdir.ReadLayout(t.TempDir()); !errors.Is(err, logdir.ErrNoGroup) {
		t.Error(err)
	}
}

func TestOpenForChangeMakesNoGroup(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "g1"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, group := range []int{0, 1, 2} {
		if _, err := logdir.OpenForChange(dir, group); !errors.Is(err, logdir.ErrNoGroup) {
			t.Errorf("group %d: %v", group, err)
		}
	}
	if l, _ := logdir.ReadLayout(dir); len(l.Groups) != 1 {
		t.Errorf("%+v", l)
	}
}

// journalFile writes records with LevelDB's own code and returns the bytes.
func journalFile(t testing.TB, records ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := journal.NewWriter(&b)
	for i, n := range records {
		r, err := w.Next()
		if err == nil {
			_, err = r.Write(bytes.Repeat([]byte{byte('a' + i)}, n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func faults(t testing.TB, b []byte) []logdir.JournalFault {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "000003.log"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := logdir.CheckJournals(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestJournals(t *testing.T) {
	whole := journalFile(t, 100, 200, 70000, 32768-7, 300) // some over several blocks
	if list := faults(t, whole); len(list) != 0 {
		t.Fatalf("a whole journal: %+v", list)
	}
	if list := faults(t, nil); len(list) != 0 {
		t.Fatalf("an empty journal: %+v", list)
	}
	flipped := bytes.Clone(whole)
	flipped[110] ^= 1 // in the second record
	if list := faults(t, flipped); len(list) == 0 || list[0].Tail || list[0].Offset != 107 {
		t.Errorf("a flipped bit: %+v", list)
	}
	for _, cut := range []int{len(whole) - 1, len(whole) - 300, 32768 + 10, 90, 3} {
		if list := faults(t, whole[:cut]); len(list) != 1 || !list[0].Tail {
			t.Errorf("cut to %d bytes: %+v", cut, list)
		}
	}
}

func TestMetaAndNotes(t *testing.T) {
	whole := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0}, crc32.ChecksumIEEE([]byte{1, 0, 0, 0}))
	for _, c := range []struct {
		b  []byte
		id int
		ok bool
	}{
		{nil, 0, true}, {[]byte{1}, 0, false}, {[]byte{3, 0, 0, 0}, 3, true}, {whole, 1, true},
		{append([]byte{2}, whole[1:]...), 0, false}, {[]byte{0, 0, 0, 128}, 0, false},
	} {
		if id, ok := logdir.DecodeMeta(c.b); ok != c.ok || ok && id != c.id {
			t.Errorf("%v: %d %v", c.b, id, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(make([]byte, 100), 1)
	f.Add([]byte("1DXP"), 0)
	f.Fuzz(func(t *testing.T, b []byte, file int) {
		if n, ok := logdir.DecodeNote(b); ok && (n.File < 0 || n.Offset < 0 || n.Entries < 0) {
			t.Errorf("%+v", n)
		}
		if c, ok := logdir.DecodeChecksum(b, file); ok && c.Length < 8 {
			t.Errorf("%+v", c)
		}
		if id, ok := logdir.DecodeMeta(b); ok && id < 0 {
			t.Error(id)
		}
		if l, ok := logdir.DecodeLocation(b); ok && (l.File < 0 || l.Offset < 0) {
			t.Errorf("%+v", l)
		}
	})
}

// FuzzJournal checks that no bytes upset the check, and that it names places in
// rising order.
func FuzzJournal(f *testing.F) {
	f.Add(journalFile(f, 10, 20))
	f.Add(journalFile(f, 40000))
	f.Add([]byte{1, 2, 3, 4, 5, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list := faults(t, b)
		for i, fault := range list {
			if fault.Offset < 0 || fault.Offset > int64(len(b)) || i > 0 && fault.Offset < list[i-1].Offset {
				t.Errorf("%+v", list)
			}
		}
	})
}

// A shared log is not read, and the error says what to do.
func TestSharedLogIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s, err := sharedlog.Open(dir, 1, sharedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, readErr := logdir.Open(dir, 0)
	_, changeErr := logdir.OpenForChange(dir, 0)
	for _, err := range []error{readErr, changeErr} {
		if !errors.Is(err, logdir.ErrShared) || !strings.Contains(err.Error(), "phxpaxos_convert "+dir) {
			t.Errorf("it says %v", err)
		}
	}
}
