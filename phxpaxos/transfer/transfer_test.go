package transfer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// files is a state machine whose state is files.
type files struct {
	id       sm.ID
	snapshot sm.Snapshot
	err      error
	released int
}

func (f *files) ID() sm.ID                           { return f.id }
func (f *files) Execute(sm.Entry) ([]byte, error)    { return nil, nil }
func (f *files) CheckpointInstance(int) uint64       { return f.snapshot.Instance }
func (f *files) LoadSnapshot(int, sm.Snapshot) error { return nil }
func (f *files) Snapshot(group int) (sm.Snapshot, error) {
	s := f.snapshot
	s.Release = func() { f.released++ }
	return s, f.err
}

func write(t testing.TB, disk storage.FS, name string, data []byte) {
	t.Helper()
	err := disk.MkdirAll(path.Dir(name))
	var f storage.File
	if err == nil {
		f, err = disk.Open(name, storage.ReadWrite|storage.Create|storage.Truncate)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, disk storage.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(name, storage.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return data
}

// messages takes everything that a sender has to say.
func messages(t testing.TB, s *Sender) (list []wire.Checkpoint) {
	t.Helper()
	for {
		packet, _, err := s.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := wire.Open(packet)
		var c wire.Checkpoint
		if err == nil {
			err = p.Checkpoint(&c)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
}

// TestThereAndBack: what is sent arrives, of several state machines, with
// empty files, files of whole blocks and files in directories.
func TestThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	from, to := memfs.New(), memfs.New()
	content := map[string][]byte{}
	var machines []sm.StateMachine
	for id := range 3 {
		m := &files{id: sm.ID(id + 1), snapshot: sm.Snapshot{Instance: uint64(100 + id), Dir: fmt.Sprint("/state/", id)}}
		for i, size := range []int{0, 1, 1000, 2000, 2001} {
			data := make([]byte, size)
			for k := range data {
				data[k] = byte(r.Uint32())
			}
			name := []string{"empty", "a", "dir/b", "dir/deeper/c", "d.dat"}[i]
			write(t, from, path.Join(m.snapshot.Dir, name), data)
			m.snapshot.Files = append(m.snapshot.Files, name)
			content[fmt.Sprintf("%d/%s", m.id, name)] = data
		}
		machines = append(machines, m)
	}
	s, err := Open(from, Order{Group: 3, From: 7, UUID: 9, Header: wire.Header{Group: 3, CRC: true}, Machines: machines, Instance: 1000, Block: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if s.Instance() != 100 || s.Total() != 3*5002 {
		t.Errorf("instance %d, %d bytes; the slowest is at 100", s.Instance(), s.Total())
	}
	receiver, err := Begin(to, "/log")
	if err != nil {
		t.Fatal(err)
	}
	list := messages(t, s)
	for i, c := range list {
		if c.Sequence != uint64(i) || c.UUID != 9 || c.From != 7 {
			t.Fatalf("message %d is %+v", i, c)
		}
		if c.Flag == wire.CheckpointBlock {
			if err := receiver.Write(&c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if first, last := list[0], list[len(list)-1]; first.Flag != wire.CheckpointBegin || first.Total != 3*5002 || last.Flag != wire.CheckpointEnd {
		t.Errorf("first %+v, last %+v", first, last)
	}
	parts, err := receiver.Finish()
	if err != nil || len(parts) != 3 || receiver.Bytes() != s.Total() {
		t.Fatalf("%d parts, %d bytes, %v", len(parts), receiver.Bytes(), err)
	}
	after := to.Crash(memfs.Policy(0), r) // all of it is durable
	for i, p := range parts {
		if p.SM != sm.ID(i+1) || p.Snapshot.Instance != uint64(100+i) || len(p.Snapshot.Files) != 5 {
			t.Errorf("part %+v", p)
		}
		for _, name := range p.Snapshot.Files {
			if got := read(t, after, path.Join(p.Snapshot.Dir, name)); !bytes.Equal(got, content[fmt.Sprintf("%d/%s", p.SM, name)]) {
				t.Errorf("%d/%s differs", p.SM, name)
			}
		}
	}
	if err := errors.Join(s.Close(), s.Close(), Discard(after, "/log")); err != nil {
		t.Error(err)
	}
	if left, _ := after.ReadDir("/log"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, m := range machines {
		if n := m.(*files).released; n != 1 {
			t.Errorf("released %d times", n)
		}
	}
}

// TestSnapshotsThatCannotBeSent: each is refused with a reason, and what was
// taken before is released.
func TestSnapshotsThatCannotBeSent(t *testing.T) {
	disk := memfs.New()
	write(t, disk, "/s/dir/file", []byte("x"))
	good := &files{id: 1, snapshot: sm.Snapshot{Instance: 1, Dir: "/s", Files: []string{"dir/file"}}}
	for name, bad := range map[string]*files{
		"no checkpoint yet": {snapshot: sm.Snapshot{Instance: sm.NoCheckpoint, Dir: "/s", Files: []string{"dir/file"}}},
		"names no files":    {snapshot: sm.Snapshot{Instance: 1, Dir: "/s"}},
		"is a directory":    {snapshot: sm.Snapshot{Instance: 1, Dir: "/s", Files: []string{"dir"}}},
		"not exist":         {snapshot: sm.Snapshot{Instance: 1, Dir: "/s", Files: []string{"other"}}},
		"not allowed":       {snapshot: sm.Snapshot{Instance: 1, Dir: "/s", Files: []string{"../s/dir/file"}}},
		"out of order":      {err: errors.New("out of order")},
	} {
		bad.id = 2
		before := good.released
		_, err := Open(disk, Order{Machines: []sm.StateMachine{good, bad}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if good.released != before+1 {
			t.Errorf("%s: the first one is released %d times", name, good.released-before)
		}
	}
}

// TestLinksAreNotSent: on a real file system.
func TestLinksAreNotSent(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("x"), 0o600), os.Symlink(secret, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	m := &files{id: 1, snapshot: sm.Snapshot{Instance: 1, Dir: dir, Files: []string{"link"}}}
	if _, err := Open(osfs.FS{}, Order{Machines: []sm.StateMachine{m}}); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a link: %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "a/b.c": "a/b.c", "a//b": "a/b", "..a/b..": "..a/b..", "...": "...", " ": " ",
		"": "", "/a": "", "//a": "", ".": "", "..": "", "a/..": "", "../a": "", "a/../../b": "", "./a": "", "a/.": "", "a/": "", "a\x00b": "",
		strings.Repeat("a", 256): "", strings.Repeat("a/", 3000) + "a": "",
	} {
		got, err := Name(name)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("Name(%.40q) = %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestBlocksThatDoNotFit: a broken sender cannot write where it should not.
func TestBlocksThatDoNotFit(t *testing.T) {
	block := func(name string, offset uint64, id sm.ID, instance uint64) *wire.Checkpoint {
		return &wire.Checkpoint{Path: name, Offset: offset, SM: id, Instance: instance, Data: []byte("data")}
	}
	for what, test := range map[string]struct {
		bad  *wire.Checkpoint
		want error
	}{
		"absolute":                   {block("/etc/passwd", 0, 1, 5), ErrName},
		"above":                      {block("../x", 0, 1, 5), ErrName},
		"in the middle":              {block("f", 2, 1, 5), ErrBlock},
		"behind the end":             {block("f", 9, 1, 5), ErrBlock},
		"another begins so":          {block("g", 4, 1, 5), ErrBlock},
		"a file for the second time": {block("e", 0, 1, 5), ErrBlock},
		"another instance":           {block("f", 4, 1, 6), ErrBlock},
		"a file as a directory":      {block("f/g", 0, 1, 5), nil},
	} {
		disk := memfs.New()
		r, err := Begin(disk, "/log")
		if err == nil {
			err = errors.Join(r.Write(block("e", 0, 1, 5)), r.Write(block("f", 0, 1, 5)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(test.bad); err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Begin(memfs.New(), ""); err == nil {
		t.Error("a storage without a directory was taken")
	}
}

// FuzzReceive: whatever a sender says, nothing is written outside of the
// temporary directories.
func FuzzReceive(f *testing.F) {
	f.Add("a/b", uint64(0), int32(1), []byte("x"), "a/b", uint64(1))
	f.Add("../../x", uint64(0), int32(-1), []byte("x"), "/x", uint64(0))
	f.Fuzz(func(t *testing.T, first string, offset uint64, id int32, data []byte, second string, next uint64) {
		disk := memfs.New()
		write(t, disk, "/log/vfile/0.f", []byte("log"))
		write(t, disk, "/other", []byte("other"))
		r, err := Begin(disk, "/log")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []wire.Checkpoint{{Path: first, Offset: offset, SM: sm.ID(id), Data: data}, {Path: second, Offset: next, SM: sm.ID(id), Data: data}} {
			_ = r.Write(&c)
		}
		_, _ = r.Finish()
		_ = r.Close()
		if err := Discard(disk, "/log"); err != nil {
			t.Fatal(err)
		}
		var left []string
		var walk func(dir string)
		walk = func(dir string) {
			entries, err := disk.ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for _, e := range entries {
				if name := path.Join(dir, e.Name); e.Dir {
					walk(name)
				} else {
					left = append(left, name)
				}
			}
		}
		walk("/")
		if strings.Join(left, " ") != "/log/vfile/0.f /other" {
			t.Fatalf("files %q", left)
		}
	})
}

// TestOriginalSender: the messages that an original node sent are taken.
func TestOriginalSender(t *testing.T) {
	list, err := os.ReadFile("../../../shared/golden/messages.tsv")
	if err != nil {
		t.Skip("no recorded messages of original nodes here: ", err)
	}
	var r *Receiver
	blocks, bytes := 0, int64(0)
	for line := range strings.Lines(string(list)) {
		columns := strings.Split(strings.TrimRight(line, "\n"), "\t")
		for _, column := range columns {
			packet, err := hex.DecodeString(column)
			if err != nil || columns[0] != "tcp" || len(packet) < 10 {
				continue
			}
			p, err := wire.Open(packet[4:]) // behind the length of the frame
			var c wire.Checkpoint
			if err != nil || p.Command != wire.CommandCheckpoint || p.Checkpoint(&c) != nil || c.Flag != wire.CheckpointBlock || c.Kind != wire.CheckpointFile {
				continue
			}
			// They are of several transfers.
			if r, err = Begin(memfs.New(), "/log"); err == nil {
				err = r.Write(&c)
			}
			if err != nil {
				t.Errorf("block %d of %q at %d: %v", c.Sequence, c.Path, c.Offset, err)
			}
			blocks, bytes = blocks+1, bytes+r.Bytes()
		}
	}
	if blocks < 2 || bytes < 9 {
		t.Errorf("%d blocks of %d bytes were recorded", blocks, bytes)
	}
}
