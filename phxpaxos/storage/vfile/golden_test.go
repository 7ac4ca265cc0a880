package vfile_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// goldenDir finds shared/golden/disk beside the repository.
func goldenDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		golden := filepath.Join(dir, "shared", "golden", "disk")
		if _, err := os.Stat(golden); err == nil {
			return golden
		}
	}
	t.Skip("no golden data: shared/golden/disk is not beside the repository")
	return ""
}

func unpack(t *testing.T, archive, to string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(to, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := writeSparse(name, r, h.Size); err != nil {
			t.Fatal(err)
		}
	}
}

// writeSparse leaves holes where there are only zeros.
func writeSparse(name string, r io.Reader, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 1<<16)
	for at := int64(0); ; {
		n, err := io.ReadFull(r, buf)
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err != nil {
			break
		}
	}
	return f.Truncate(size)
}

// dumpRecord is one line of a dump.
type dumpRecord struct {
	offset   int64
	length   int
	instance uint64
	promise  [2]uint64
	accepted [2]uint64
	checksum uint64
	indexCRC uint32
	value    string
}

type dumpGroup struct {
	dir     string
	records []dumpRecord
	end     int64
	keys    map[uint64][]byte
}

var recordLine = regexp.MustCompile(`^  off (\d+) len (\d+) instance (\d+) promise (\d+)/(\d+)\(.*?\) accepted (\d+)/(\d+)\(.*?\) checksum (\d+) indexcrc (\d+) value (.*)$`)

func parseDump(t *testing.T, name string) []*dumpGroup {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var groups []*dumpGroup
	var g *dumpGroup
	inIndex := false
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		line := lines.Text()
		number := func(s string) uint64 {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			return n
		}
		if dir, ok := strings.CutPrefix(line, "== "); ok {
			g, inIndex = &dumpGroup{dir: dir, keys: map[uint64][]byte{}}, false
			groups = append(groups, g)
		}
		if m := recordLine.FindStringSubmatch(line); m != nil {
			g.records = append(g.records, dumpRecord{
				offset: int64(number(m[1])), length: int(number(m[2])), instance: number(m[3]),
				promise: [2]uint64{number(m[4]), number(m[5])}, accepted: [2]uint64{number(m[6]), number(m[7])},
				checksum: number(m[8]), indexCRC: uint32(number(m[9])), value: m[10],
			})
		} else if strings.HasPrefix(line, "  off ") {
			t.Fatalf("%s: line is not understood: %q", name, line)
		}
		if strings.HasPrefix(line, "  end of data at offset ") {
			g.end = int64(number(strings.Trim(strings.Fields(line)[5], ",")))
		}
		if dir, ok := strings.CutPrefix(line, "-- leveldb ("); ok {
			inIndex = strings.TrimSuffix(dir, ")") == g.dir
		}
		if w := strings.Fields(line); inIndex && len(w) >= 4 && w[0] == "key" && w[2] == "value" {
			key, err1 := hex.DecodeString(w[1])
			value, err2 := hex.DecodeString(w[3])
			if err1 != nil || err2 != nil || len(key) != 8 {
				t.Fatalf("%s: %q", name, line)
			}
			g.keys[binary.LittleEndian.Uint64(key)] = value
		}
	}
	return groups
}

// state is an AcceptorStateData, decoded with no help of the code under test.
type state struct {
	number [8]uint64
	value  []byte
}

func decodeState(t *testing.T, b []byte) state {
	t.Helper()
	var s state
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || num > 7 {
			t.Fatalf("not an AcceptorStateData")
		}
		b = b[n:]
		if typ == protowire.BytesType {
			s.value, n = protowire.ConsumeBytes(b)
		} else {
			s.number[num], n = protowire.ConsumeVarint(b)
		}
		b = b[n:]
	}
	return s
}

var lengthInDump = regexp.MustCompile(`smid=\w*\(?(-?\d+)\)?(?: len=(\d+) b'(.*)'(\.\.\.)?)?`)

// checkState compares a record with its line of the dump.
func checkState(t *testing.T, d dumpRecord, data []byte) {
	t.Helper()
	s := decodeState(t, data)
	want := [8]uint64{1: d.instance, 2: d.promise[0], 3: d.promise[1], 4: d.accepted[0], 5: d.accepted[1], 7: d.checksum}
	if s.number != want {
		t.Errorf("instance %d: %v, dump has %v", d.instance, s.number, want)
	}
	if d.value == "(empty)" {
		if len(s.value) != 0 {
			t.Errorf("instance %d: value of %d bytes, dump has none", d.instance, len(s.value))
		}
		return
	}
	m := lengthInDump.FindStringSubmatch(d.value)
	if m == nil || len(s.value) < 4 {
		t.Fatalf("instance %d: value of %d bytes, dump has %.80q", d.instance, len(s.value), d.value)
	}
	if smid := int32(binary.LittleEndian.Uint32(s.value)); strconv.Itoa(int(smid)) != m[1] {
		t.Errorf("instance %d: state machine %d, dump has %s", d.instance, smid, m[1])
	}
	if m[2] == "" {
		return
	}
	body := string(s.value[4:])
	if strconv.Itoa(len(body)) != m[2] {
		t.Errorf("instance %d: %d bytes, dump has %s", d.instance, len(body), m[2])
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(m[3], `"`, `\"`) + `"`)
	if err == nil && !strings.HasPrefix(body, text) {
		t.Errorf("instance %d: value %.40q, dump has %.40q", d.instance, body, text)
	}
}

// TestGolden opens what original nodes left and compares every record and
// variable with the dump; goes on writing; and looks at the result with the
// eyes of the original.
func TestGolden(t *testing.T) {
	golden := goldenDir(t)
	archives, err := filepath.Glob(filepath.Join(golden, "*.tar.gz"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in %s: %v", golden, err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, archive, dir)
			byRoot := map[string][]*dumpGroup{}
			for _, g := range parseDump(t, filepath.Join(golden, name+".dump.txt")) {
				if g.records != nil {
					root := filepath.Dir(filepath.Join(dir, g.dir))
					byRoot[root] = append(byRoot[root], g)
				}
			}
			if len(byRoot) == 0 {
				t.Fatal("the dump has no group")
			}
			for root, groups := range byRoot {
				checkGolden(t, root, groups)
			}
		})
	}
}

func checkGolden(t *testing.T, root string, groups []*dumpGroup) {
	for i, g := range groups {
		if filepath.Base(g.dir) != fmt.Sprintf("g%d", i) {
			t.Fatalf("dump has %s at place %d", g.dir, i)
		}
		checkScan(t, filepath.Join(root, filepath.Base(g.dir), "vfile", "0.f"), g)
	}
	for round := range 2 { // as the original left it, and as we left it
		s, err := vfile.Open(root, len(groups), vfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range groups {
			checkGroup(t, s, i, g)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range groups {
			if got := originalOpen(t, filepath.Join(root, fmt.Sprintf("g%d", i))); got.end != groups[i].end {
				t.Errorf("round %d: the original would write at %d instead of %d", round, got.end, groups[i].end)
			}
		}
	}
	s, err := vfile.Open(root, len(groups), vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]map[uint64][]byte{}
	for i := range groups {
		max, err := s.Max(i)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = map[uint64][]byte{}
		for n := range uint64(200) {
			p := record(max+n/2, 60, n)
			p.Group, p.Sync = i, n%7 == 0
			if err := s.Write([]storage.Put{p}); err != nil {
				t.Fatal(err)
			}
			want[i][p.Instance] = p.Data
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		got := originalOpen(t, filepath.Join(root, fmt.Sprintf("g%d", i)))
		for instance, data := range want[i] {
			if !bytes.Equal(got.read(t, instance), data) {
				t.Fatalf("the original reads something else for instance %d", instance)
			}
		}
	}
}

func checkScan(t *testing.T, name string, g *dumpGroup) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sc := vfile.NewScanner(f, info.Size(), 0)
	for _, d := range g.records {
		rec, err := sc.Next()
		if err != nil {
			t.Fatalf("at offset %d: %v", d.offset, err)
		}
		if rec.Offset != d.offset || rec.Bytes() != int64(4+d.length) || rec.Instance != d.instance || rec.SampledCRC() != d.indexCRC {
			t.Errorf("scanned %d %d %d %d, dump has %+v", rec.Offset, rec.Bytes(), rec.Instance, rec.SampledCRC(), d)
		}
		if !vfile.ValidState(rec.Instance, rec.Data) {
			t.Errorf("record at %d is not valid", rec.Offset)
		}
		checkState(t, d, rec.Data)
	}
	if _, err := sc.Next(); !errors.Is(err, io.EOF) || sc.Offset() != g.end {
		t.Errorf("scan ended at %d with %v, dump has %d", sc.Offset(), err, g.end)
	}
}

func checkGroup(t *testing.T, s *vfile.Store, group int, g *dumpGroup) {
	t.Helper()
	if err := s.Err(group); err != nil {
		t.Fatal(err)
	}
	variables := map[uint64]storage.Variable{
		^uint64(0): storage.MinChosen, ^uint64(0) - 1: storage.SystemVariables, ^uint64(0) - 2: storage.MasterVariables,
	}
	top := uint64(0)
	for key, value := range g.keys {
		if name, ok := variables[key]; ok {
			got, err := s.Variable(group, name)
			if err != nil || !bytes.Equal(got, value) {
				t.Errorf("variable %d: %x, %v, dump has %x", name, got, err, value)
			}
			continue
		}
		top = max(top, key)
		data, err := s.Read(group, key, nil)
		if err != nil {
			t.Errorf("Read(%d): %v", key, err)
			continue
		}
		offset := int64(binary.LittleEndian.Uint32(value[4:]))
		for _, d := range g.records {
			if d.offset == offset {
				checkState(t, d, data)
			}
		}
	}
	for key, name := range variables {
		if _, ok := g.keys[key]; ok {
			continue
		}
		if got, err := s.Variable(group, name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("variable %d: %x, %v, dump has none", name, got, err)
		}
	}
	if got, err := s.Max(group); err != nil || got != top {
		t.Errorf("Max: %d, %v, dump has %d", got, err, top)
	}
}
