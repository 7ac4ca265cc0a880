package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// newSharedLog writes a log of two groups; change may spoil a record.
func newSharedLog(t *testing.T, instances uint64, change func(group int, r *paxos.Record)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	s, err := sharedlog.Open(dir, 2, sharedlog.Options{SegmentBytes: 8192, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	sums := [2]uint32{}
	for i := range instances {
		for g := range 2 {
			r := paxos.Record{Instance: i, Promised: paxos.Ballot{Number: i/10 + 1, Node: 7}, Value: bytes.Repeat([]byte{byte(i), 1}, 60)}
			r.Accepted = r.Promised
			r.Checksum = paxos.ChainChecksum(i, sums[g], r.Value)
			change(g, &r)
			sums[g] = r.Checksum
			if err := s.Write([]storage.Put{{Group: g, Instance: i, Data: wire.AppendRecord(nil, &r), Sync: i%20 == 0}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSharedLog(t *testing.T) {
	dir := newSharedLog(t, 100, func(int, *paxos.Record) {})
	r := diagnose(t, dir)
	if r.Verdict != "healthy" || r.Layout != "shared" || len(r.Groups) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, g := range r.Groups {
		if *g.First != 0 || *g.Last != 99 || g.Instances != 100 || !g.Closed || g.Checksums.Full != 100 || g.Checksums.Chained < 99 {
			t.Errorf("%+v", g)
		}
	}
	var b bytes.Buffer
	if err := printReport(&b, r); err != nil || !strings.HasSuffix(b.String(), "\nhealthy\n") {
		t.Errorf("%v\n%s", err, &b)
	}
}

// What a record says is examined as in the original's layout.
func TestSharedLogContents(t *testing.T) {
	for check, change := range map[string]func(g int, r *paxos.Record){
		"promise": func(g int, r *paxos.Record) {
			if g == 1 && r.Instance == 50 {
				r.Promised.Number, r.Accepted.Number = 2, 2
			}
		},
		"chain": func(g int, r *paxos.Record) {
			if g == 1 && r.Instance == 50 {
				r.Checksum++
			}
		},
	} {
		r := diagnose(t, newSharedLog(t, 100, change))
		if r.Verdict != "damaged" || len(r.Groups[0].Findings) > 0 {
			t.Errorf("%s: %+v", check, r)
		}
		if f := r.Groups[1].Findings; len(f) == 0 || f[0].Check != check || *f[0].Instance != 50 {
			t.Errorf("%s: findings %+v", check, f)
		}
	}
}

func TestSharedLogDamage(t *testing.T) {
	spoil := func(dir, name string, at int) {
		t.Helper()
		name = filepath.Join(dir, "shared", name)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 8
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		file, verdict, check string
		at                   int
	}{
		"a value":  {"0000000000000002.log", "damaged", "crc32c", 4000},
		"a header": {"0000000000000001.log", "damaged", "crc32c", 48 + 16},
		"an index": {"0000000000000001.idx", "suspicious", "index", 300},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newSharedLog(t, 100, func(int, *paxos.Record) {})
			spoil(dir, test.file, test.at)
			r := diagnose(t, dir)
			if r.Verdict != test.verdict || len(r.Findings) == 0 || r.Findings[0].Check != test.check || !strings.Contains(r.Findings[0].Text, test.file) {
				t.Errorf("%+v", r)
			}
			if again := diagnose(t, dir); again.Verdict != r.Verdict {
				t.Error("looking at it changed it")
			}
		})
	}
}

// A log in use is left alone.
func TestSharedLogInUse(t *testing.T) {
	dir := newSharedLog(t, 1, func(int, *paxos.Record) {})
	s, err := sharedlog.Open(dir, 2, sharedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"doctor", dir}, &out, &errOut, nil); code != exitNoVerdict || !strings.Contains(errOut.String(), "locked") {
		t.Errorf("exit code %d, %s", code, &errOut)
	}
}

// A newer version's log is not damaged: there is no verdict.
func TestSharedLogOfANewerVersion(t *testing.T) {
	dir := newSharedLog(t, 100, func(int, *paxos.Record) {})
	rewriteFormat(t, filepath.Join(dir, "shared/store"), 16, func(b []byte) { b[7] = '3' })
	r := diagnose(t, dir)
	expect(t, r, exitNoVerdict, "format", "", -1)
	var b bytes.Buffer
	if err := printReport(&b, r); err != nil || r.Verdict != "newer" || !strings.Contains(b.String(), "has format 3, this version supports up to 1") ||
		!strings.Contains(b.String(), "no verdict: a newer version") || strings.Contains(b.String(), "DAMAGED") {
		t.Errorf("verdict %q, %v\n%s", r.Verdict, err, &b)
	}
}

// What is damaged in another group is not hidden by it.
func TestNewerGroupNextToADamagedOne(t *testing.T) {
	dir := healthyStore(t, 2)
	rewriteFormat(t, filepath.Join(dir, "g1/vfile/durable"), 80, func(b []byte) { b[3] = '2' })
	expect(t, diagnose(t, dir), exitNoVerdict, "format", "", -1)
	remove(t, dir, "g0/vfile/0.f", "g0/vfile/0.crc")
	r := diagnose(t, dir)
	expect(t, r, exitDamaged, "format", "", -1)
	expect(t, r, exitDamaged, "value-file", "g0/vfile/0.f", -1)
}
