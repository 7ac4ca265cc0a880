package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

// contents reads all instances with the store, as a node does. complete says
// that every one is there and as it was written.
func contents(dir string, want [][]byte) (complete bool, why error) {
	s, err := vfile.Open(dir, 1, testOptions)
	if err != nil {
		return false, err
	}
	defer s.Close()
	for i, data := range want {
		got, err := s.Read(0, uint64(i), nil)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(got, data) {
			return false, fmt.Errorf("instance %d is wrong, and nobody noticed", i)
		}
	}
	return true, nil
}

// The doctor's verdict is true: where it is not "damaged", a node that starts
// has everything; and no flipped bit in a record is called healthy.
func TestVerdictAgreesWithTheStore(t *testing.T) {
	original := healthyStore(t, 1)
	want := make([][]byte, 300)
	g, err := logdir.Open(original, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if want[i], err = g.Read(uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	g.Close()
	files := filesOf(t, original)
	r := rand.New(rand.NewPCG(1, 2))
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	verdicts := map[string]int{}
	for range rounds {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
			t.Fatal(err)
		}
		name := files[r.IntN(len(files))]
		what, inData := hurt(t, r, dir, name)
		report := diagnose(t, dir)
		verdicts[report.Verdict]++
		complete, why := contents(dir, want)
		if (report.Verdict != "damaged" && !complete) || (inData && report.Verdict == "healthy") {
			var b bytes.Buffer
			printReport(&b, report)
			t.Errorf("%s: the store has everything: %v (%v), and the doctor says\n%s", what, complete, why, &b)
		}
	}
	t.Log(verdicts)
	if verdicts["damaged"] == 0 || verdicts["suspicious"] == 0 {
		t.Errorf("not much was hurt: %v", verdicts)
	}
}

func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if info, e := d.Info(); err == nil && e == nil && info.Mode().IsRegular() && info.Size() > 0 {
			names = append(names, name[len(dir)+1:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// hurt flips a bit of a file, cuts it, or removes it. inData reports that it
// was a bit of a record.
func hurt(t *testing.T, r *rand.Rand, dir, name string) (what string, inData bool) {
	t.Helper()
	whole := filepath.Join(dir, name)
	st, err := os.Stat(whole)
	if err != nil {
		t.Fatal(err)
	}
	at := r.Int64N(st.Size())
	switch r.IntN(8) {
	case 0:
		if err := os.Remove(whole); err != nil {
			t.Fatal(err)
		}
		return "removed " + name, false
	case 1:
		if err := os.Truncate(whole, at); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("cut %s to %d", name, at), false
	}
	var file int
	if _, err := fmt.Sscanf(filepath.Base(name), "%d.f", &file); err == nil && filepath.Ext(name) == ".f" {
		recs := records(t, dir, file)
		last := recs[len(recs)-1]
		inData = at < last.Offset+last.Bytes()
	}
	flip(t, whole, at)
	return fmt.Sprintf("flipped a bit of %s at %d", name, at), inData
}

// bigLog writes a log of so many instances, for the figures of the report.
func bigLog(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := logdirtest.NewWriter(s, 0)
	w.Size = 200
	if err := w.Write(n); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func BenchmarkDoctor(b *testing.B) {
	const instances = 100_000
	dir := bigLog(b, instances)
	b.ReportAllocs()
	for b.Loop() {
		r, err := examine(b.Context(), dir, nil)
		if err != nil || r.Verdict != "healthy" || r.Groups[0].Instances != instances {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(instances)*float64(b.N)/b.Elapsed().Seconds(), "instances/s")
}
