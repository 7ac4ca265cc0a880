package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

// flip turns one bit of a file over.
func flip(t *testing.T, name string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
}

func setMinChosen(t *testing.T, s *vfile.Store, instance uint64) {
	t.Helper()
	if err := s.SetVariable(0, storage.MinChosen, binary.LittleEndian.AppendUint64(nil, instance)); err != nil {
		t.Fatal(err)
	}
}

// records lists the records of a value file.
func records(t *testing.T, dir string, file int) []vfile.Record {
	t.Helper()
	f, err := logdir.OpenFile(filepath.Join(dir, "g0"), file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []vfile.Record
	for sc := f.Records(0); ; {
		rec, err := sc.Next()
		if err != nil {
			return out
		}
		rec.Data = append([]byte(nil), rec.Data...)
		out = append(out, rec)
	}
}

type order struct{}

func (order) Name() string                    { return "PaxosComparator" }
func (order) Separator(_, _, _ []byte) []byte { return nil }
func (order) Successor(_, _ []byte) []byte    { return nil }
func (order) Compare(a, b []byte) int {
	return cmp.Compare(binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b))
}

// editIndex changes the index behind the store's back.
func editIndex(t *testing.T, dir string, edit func(db *leveldb.DB) error) {
	t.Helper()
	db, err := leveldb.OpenFile(filepath.Join(dir, "g0"), &opt.Options{Comparer: order{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := edit(db); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func key(instance uint64) []byte { return binary.LittleEndian.AppendUint64(nil, instance) }

// writeTail writes bytes behind the last record of the current file.
func writeTail(t *testing.T, dir string, tail []byte) (file string, offset int64) {
	t.Helper()
	s, err := logdir.ReadSurvey(filepath.Join(dir, "g0"))
	if err != nil {
		t.Fatal(err)
	}
	file = logdir.ValueName(s.Current())
	f, err := os.OpenFile(filepath.Join(dir, "g0", file), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(tail, s.Note.Offset); err != nil {
		t.Fatal(err)
	}
	return "g0/" + file, s.Note.Offset
}

// rewriteFormat changes the beginning of a file, and makes the checksum at sum
// right again.
func rewriteFormat(t *testing.T, name string, sum int, change func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	binary.LittleEndian.PutUint32(b[sum:], castagnoliOf(b[:sum]))
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// rewriteSidecar makes the sidecar's entry of a record right again.
func rewriteSidecar(t *testing.T, dir string, rec vfile.Record) {
	t.Helper()
	name := filepath.Join(dir, "g0", logdir.SidecarName(0))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += logdir.ChecksumBytes {
		e, ok := logdir.DecodeChecksum(b[at:], 0)
		if !ok || e.Offset != rec.Offset {
			continue
		}
		binary.LittleEndian.PutUint32(b[at+16:], rec.SampledCRC())
		binary.LittleEndian.PutUint32(b[at+20:], logdir.FullCRC(rec))
		binary.LittleEndian.PutUint32(b[at+28:], castagnoliOf(b[at:at+28]))
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes what a record says, and makes every checksum of it right.
func rewrite(t *testing.T, dir string, rec vfile.Record, change func(r *paxos.Record)) {
	t.Helper()
	var r paxos.Record
	if err := wire.DecodeRecord(rec.Data, &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	data := wire.AppendRecord(nil, &r)
	if len(data) != len(rec.Data) {
		t.Fatalf("the record is %d bytes long now, it was %d", len(data), len(rec.Data))
	}
	f, err := os.OpenFile(filepath.Join(dir, "g0/vfile/0.f"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, rec.Offset+12); err != nil {
		t.Fatal(err)
	}
	rec.Data = data
	rewriteSidecar(t, dir, rec)
	editIndex(t, dir, func(db *leveldb.DB) error {
		v := make([]byte, 12)
		binary.LittleEndian.PutUint32(v[4:], uint32(rec.Offset))
		binary.LittleEndian.PutUint32(v[8:], rec.SampledCRC())
		return db.Put(key(rec.Instance), v, nil)
	})
}

func TestDamageIsNamed(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			dir := healthyStore(t, 1)
			file, offset := c.inflict(t, dir)
			expect(t, diagnose(t, dir), c.code, c.check, file, offset)
		})
	}
}

type damage struct {
	name    string
	inflict func(t *testing.T, dir string) (file string, offset int64)
	code    int
	check   string
}

var damages = []damage{
	{"torn tail: half a record", func(t *testing.T, dir string) (string, int64) {
		recs := records(t, dir, 0)
		b := binary.LittleEndian.AppendUint32(nil, uint32(8+len(recs[9].Data)))
		b = binary.LittleEndian.AppendUint64(b, 300)
		return writeTail(t, dir, append(b, recs[9].Data[:20]...))
	}, exitSuspicious, "torn-tail"},
	{"torn tail: a length word alone", func(t *testing.T, dir string) (string, int64) {
		return writeTail(t, dir, []byte{57, 0, 0, 0})
	}, exitSuspicious, "torn-tail"},
	{"torn tail: bytes behind a zero length", func(t *testing.T, dir string) (string, int64) {
		return writeTail(t, dir, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7})
	}, exitSuspicious, "torn-tail"},
	{"current file cut inside a record", func(t *testing.T, dir string) (string, int64) {
		s, _ := logdir.ReadSurvey(filepath.Join(dir, "g0"))
		recs := records(t, dir, s.Current())
		last := recs[len(recs)-1]
		name := logdir.ValueName(s.Current())
		if err := os.Truncate(filepath.Join(dir, "g0", name), last.Offset+20); err != nil {
			t.Fatal(err)
		}
		return "g0/" + name, last.Offset
	}, exitDamaged, "record"},
	{"current file cut between records", func(t *testing.T, dir string) (string, int64) {
		s, _ := logdir.ReadSurvey(filepath.Join(dir, "g0"))
		recs := records(t, dir, s.Current())
		last := recs[len(recs)-1]
		name := logdir.ValueName(s.Current())
		if err := os.Truncate(filepath.Join(dir, "g0", name), last.Offset); err != nil {
			t.Fatal(err)
		}
		return "g0/" + name, last.Offset
	}, exitDamaged, "record"},
	{"finished file cut inside a record", func(t *testing.T, dir string) (string, int64) {
		recs := records(t, dir, 0)
		at := recs[len(recs)-3].Offset
		if err := os.Truncate(filepath.Join(dir, "g0/vfile/0.f"), at+30); err != nil {
			t.Fatal(err)
		}
		return "g0/vfile/0.f", at
	}, exitDamaged, "record"},
	{"bit in a value, sampled by the original", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[5]
		flip(t, filepath.Join(dir, "g0/vfile/0.f"), rec.Offset+4+48) // a multiple of 8 behind the length word
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "crc32c"},
	{"bit in a value, not sampled", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[5]
		flip(t, filepath.Join(dir, "g0/vfile/0.f"), rec.Offset+4+51)
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "crc32c"},
	{"bit in an instance", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[7]
		flip(t, filepath.Join(dir, "g0/vfile/0.f"), rec.Offset+6)
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "record"},
	{"bit in a length word", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[7]
		flip(t, filepath.Join(dir, "g0/vfile/0.f"), rec.Offset)
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "record"},
	{"high bit in a length word", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[7]
		flip(t, filepath.Join(dir, "g0/vfile/0.f"), rec.Offset+3)
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "record"},
	{"length word zero", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[7]
		f, err := os.OpenFile(filepath.Join(dir, "g0/vfile/0.f"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, 4), rec.Offset); err != nil {
			t.Fatal(err)
		}
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "record"},
	{"bit in meta", func(t *testing.T, dir string) (string, int64) {
		flip(t, filepath.Join(dir, "g0/vfile/meta"), 0)
		return "g0/vfile/meta", 0
	}, exitSuspicious, "meta"},
	{"meta cut", func(t *testing.T, dir string) (string, int64) {
		if err := os.Truncate(filepath.Join(dir, "g0/vfile/meta"), 6); err != nil {
			t.Fatal(err)
		}
		return "g0/vfile/meta", 0
	}, exitSuspicious, "meta"},
	{"meta names an older file", func(t *testing.T, dir string) (string, int64) {
		if err := os.WriteFile(filepath.Join(dir, "g0/vfile/meta"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return "g0/vfile/meta", 0
	}, exitDamaged, "meta"},
	{"bit in the sidecar", func(t *testing.T, dir string) (string, int64) {
		flip(t, filepath.Join(dir, "g0/vfile/0.crc"), 3*logdir.ChecksumBytes+20)
		return "g0/vfile/0.crc", 3 * logdir.ChecksumBytes
	}, exitSuspicious, "sidecar"},
	{"sidecar missing", func(t *testing.T, dir string) (string, int64) {
		remove(t, dir, "g0/vfile/0.crc")
		return "g0/vfile/0.crc", 0
	}, exitSuspicious, "sidecar"},
	{"sidecar cut", func(t *testing.T, dir string) (string, int64) {
		const keep = 5 * logdir.ChecksumBytes
		if err := os.Truncate(filepath.Join(dir, "g0/vfile/0.crc"), keep); err != nil {
			t.Fatal(err)
		}
		return "g0/vfile/0.f", records(t, dir, 0)[5].Offset
	}, exitSuspicious, "sidecar"},
	{"note missing", func(t *testing.T, dir string) (string, int64) {
		remove(t, dir, "g0/vfile/durable")
		return "g0/vfile/durable", 0
	}, exitSuspicious, "note"},
	{"bit in both places of the note", func(t *testing.T, dir string) (string, int64) {
		for _, at := range []int64{20, 512 + 20} {
			flip(t, filepath.Join(dir, "g0/vfile/durable"), at)
		}
		return "g0/vfile/durable", 0
	}, exitSuspicious, "note"},
	{"note of a newer version", func(t *testing.T, dir string) (string, int64) {
		rewriteFormat(t, filepath.Join(dir, "g0/vfile/durable"), 80, func(b []byte) { b[3] = '2' })
		return "", -1
	}, exitNoVerdict, "format"},
	{"sidecar of a newer version", func(t *testing.T, dir string) (string, int64) {
		s, err := logdir.ReadSurvey(filepath.Join(dir, "g0"))
		if err != nil {
			t.Fatal(err)
		}
		rewriteFormat(t, filepath.Join(dir, "g0", logdir.SidecarName(s.Current())), 28, func(b []byte) { b[27] |= 0x10 })
		return "", -1
	}, exitNoVerdict, "format"},
	{"value file missing, oldest", func(t *testing.T, dir string) (string, int64) {
		remove(t, dir, "g0/vfile/0.f", "g0/vfile/0.crc")
		return "g0/vfile/0.f", -1
	}, exitDamaged, "value-file"},
	{"value file missing, in the middle", func(t *testing.T, dir string) (string, int64) {
		remove(t, dir, "g0/vfile/1.f")
		return "g0/vfile/1.f", -1
	}, exitDamaged, "value-file"},
	{"value file missing, current", func(t *testing.T, dir string) (string, int64) {
		s, _ := logdir.ReadSurvey(filepath.Join(dir, "g0"))
		remove(t, dir, "g0/"+logdir.ValueName(s.Current()))
		return "g0/" + logdir.ValueName(s.Current()), -1
	}, exitDamaged, "value-file"},
	{"index emptied", func(t *testing.T, dir string) (string, int64) {
		list, err := filepath.Glob(filepath.Join(dir, "g0", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			if filepath.Base(name) != "vfile" {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		return "", -1
	}, exitSuspicious, "index-lost"},
	{"index has an instance nobody wrote", func(t *testing.T, dir string) (string, int64) {
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Put(key(305), make([]byte, 12), nil) })
		return "g0/vfile/0.f", 0
	}, exitDamaged, "index-entry"},
	{"index points to an older record", func(t *testing.T, dir string) (string, int64) {
		recs := records(t, dir, 0)
		editIndex(t, dir, func(db *leveldb.DB) error {
			v := make([]byte, 12) // instance 0: its promise is at offset 0
			binary.LittleEndian.PutUint32(v[8:], recs[0].SampledCRC())
			return db.Put(key(0), v, nil)
		})
		return "g0/vfile/0.f", recs[1].Offset
	}, exitDamaged, "index-entry"},
	{"index has a wrong checksum", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[5]
		editIndex(t, dir, func(db *leveldb.DB) error {
			v := make([]byte, 12)
			binary.LittleEndian.PutUint32(v[4:], uint32(rec.Offset))
			return db.Put(key(rec.Instance), v, nil)
		})
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "sampled"},
	{"index entry is too short", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[5]
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Put(key(rec.Instance), []byte("short"), nil) })
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "index-entry"},
	{"gap: an instance deleted from the index", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[5]
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Delete(key(rec.Instance), nil) })
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "gap"},
	{"gap at the beginning", func(t *testing.T, dir string) (string, int64) {
		editIndex(t, dir, func(db *leveldb.DB) error {
			for i := range uint64(7) {
				if err := db.Delete(key(i), nil); err != nil {
					return err
				}
			}
			return nil
		})
		return "", -1
	}, exitSuspicious, "gap"},
	{"promise going down", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[30]
		rewrite(t, dir, rec, func(r *paxos.Record) { r.Promised.Number, r.Accepted.Number = 1, 1 })
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "promise"},
	{"accepted above the promise", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[30]
		rewrite(t, dir, rec, func(r *paxos.Record) { r.Accepted.Number++ })
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "promise"},
	{"chain of values broken", func(t *testing.T, dir string) (string, int64) {
		rec := records(t, dir, 0)[30]
		rewrite(t, dir, rec, func(r *paxos.Record) { r.Value[8] ^= 1 })
		return "g0/vfile/0.f", rec.Offset
	}, exitDamaged, "chain"},
	{"broken membership", func(t *testing.T, dir string) (string, int64) {
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Put(key(^uint64(0)-1), []byte{8}, nil) })
		return "", -1
	}, exitDamaged, "members"},
	{"broken master", func(t *testing.T, dir string) (string, int64) {
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Put(key(^uint64(0)-2), []byte{255}, nil) })
		return "", -1
	}, exitDamaged, "master"},
	{"broken MINCHOSEN", func(t *testing.T, dir string) (string, int64) {
		editIndex(t, dir, func(db *leveldb.DB) error { return db.Put(key(^uint64(0)), []byte{1, 2, 3}, nil) })
		return "", -1
	}, exitDamaged, "min-chosen"},
	{"left of a transfer", func(t *testing.T, dir string) (string, int64) {
		if err := os.Mkdir(filepath.Join(dir, "g0/cp_tmp_1"), 0o755); err != nil {
			t.Fatal(err)
		}
		return "", -1
	}, exitSuspicious, "layout"},
	{"a group is missing", func(t *testing.T, dir string) (string, int64) {
		if err := os.Rename(filepath.Join(dir, "g0"), filepath.Join(dir, "g1")); err != nil {
			t.Fatal(err)
		}
		return "g0", -1
	}, exitDamaged, "layout"},
}

func TestABitInTheNote(t *testing.T) {
	dir := healthyStore(t, 1)
	s, err := logdir.ReadSurvey(filepath.Join(dir, "g0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range s.Slots {
		t.Run(fmt.Sprint(slot.Offset), func(t *testing.T) {
			dir := healthyStore(t, 1)
			flip(t, filepath.Join(dir, "g0", logdir.NoteName), slot.Offset+17)
			expect(t, diagnose(t, dir), exitSuspicious, "note", "g0/vfile/durable", slot.Offset)
		})
	}
}

// Every bit of the index's journal matters: LevelDB drops what follows a
// damaged chunk without a word.
func TestABitInTheIndex(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	if err := logdirtest.NewWriter(s, 0).Write(300); err != nil {
		t.Fatal(err)
	}
	setMinChosen(t, s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "g0/*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	flip(t, logs[0], 100)
	expect(t, diagnose(t, dir), exitDamaged, "index", "g0/"+filepath.Base(logs[0]), -1)
}

func TestABitInATableOfTheIndex(t *testing.T) {
	dir := healthyStore(t, 1)
	editIndex(t, dir, func(db *leveldb.DB) error { return nil }) // a table is made of the journal
	tables, err := filepath.Glob(filepath.Join(dir, "g0/*.ldb"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	flip(t, tables[0], 40)
	expect(t, diagnose(t, dir), exitDamaged, "index", "", -1)
}

func TestForeignGroups(t *testing.T) {
	copyOf := func(t *testing.T) string {
		return filepath.Join(logdirtest.Golden(t, "peernode_clean_node1"), "n1/log")
	}
	change := func(t *testing.T, dir string, group int, fn func(v *wire.SystemVariables)) {
		t.Helper()
		s, err := logdir.OpenForChange(dir, group)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		data, err := s.Variable(group, storage.SystemVariables)
		if err != nil {
			t.Fatal(err)
		}
		var v wire.SystemVariables
		if err := wire.DecodeSystemVariables(data, &v); err != nil {
			t.Fatal(err)
		}
		fn(&v)
		if err := s.SetVariable(group, storage.SystemVariables, wire.AppendSystemVariables(nil, &v)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("another cluster id than the log's", func(t *testing.T) {
		dir := copyOf(t)
		change(t, dir, 1, func(v *wire.SystemVariables) { v.Cluster = 12345 })
		expect(t, diagnose(t, dir), exitSuspicious, "members", "", -1)
	})
	t.Run("the cluster id of another group", func(t *testing.T) {
		dir := copyOf(t)
		change(t, dir, 1, func(v *wire.SystemVariables) { v.Cluster = 72058141277300211 })
		expect(t, diagnose(t, dir), exitSuspicious, "cluster", "", -1)
	})
	t.Run("other members", func(t *testing.T) {
		dir := copyOf(t)
		change(t, dir, 1, func(v *wire.SystemVariables) { v.Members = []nodeid.ID{logdirtest.Me + 1000} })
		expect(t, diagnose(t, dir), exitSuspicious, "cluster", "", -1)
	})
}

// What an original node leaves torn is told from damage by what follows.
func TestOriginalTails(t *testing.T) {
	golden := func(t *testing.T) (dir, file string) {
		dir = filepath.Join(logdirtest.Golden(t, "phxecho_kill9_node1"), "logpath_127.0.0.1_11111")
		return dir, filepath.Join(dir, "g0/vfile/0.f")
	}
	t.Run("cut", func(t *testing.T) {
		dir, file := golden(t)
		if err := os.Truncate(file, 5400); err != nil {
			t.Fatal(err)
		}
		expect(t, diagnose(t, dir), exitSuspicious, "torn-tail", "g0/vfile/0.f", 5390)
	})
	t.Run("length word of a record in the middle", func(t *testing.T) {
		dir, file := golden(t)
		flip(t, file, 34+2)
		expect(t, diagnose(t, dir), exitDamaged, "record", "g0/vfile/0.f", 34)
	})
	t.Run("sampled bit of a value", func(t *testing.T) {
		dir, file := golden(t)
		flip(t, file, 339+4+1600)
		expect(t, diagnose(t, dir), exitDamaged, "sampled", "g0/vfile/0.f", 339)
	})
}

func castagnoliOf(p []byte) uint32 { return crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) }
