package vfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// BenchmarkWrite is group commit as the disk goroutine of a node does it:
// each Write holds one synced record of 256 bytes for every group.
func BenchmarkWrite(b *testing.B) {
	for _, groups := range []int{1, 10, 100} {
		for _, c := range []struct {
			name string
			opts vfile.Options
		}{
			{"default", vfile.Options{}},
			{"append", vfile.Options{ZeroAheadMax: -1}},
			{"parallel=1", vfile.Options{SyncParallel: 1}},
			{"parallel=2", vfile.Options{SyncParallel: 2}},
			{"parallel=8", vfile.Options{SyncParallel: 8}},
			{"parallel=16", vfile.Options{SyncParallel: 16}},
		} {
			if groups == 1 && c.opts.SyncParallel > 0 {
				continue
			}
			b.Run(fmt.Sprintf("groups=%d/%s", groups, c.name), func(b *testing.B) {
				benchmarkWrite(b, groups, 1, c.opts)
			})
		}
	}
	b.Run("groups=1/batch=10", func(b *testing.B) { benchmarkWrite(b, 1, 10, vfile.Options{}) })
}

func benchmarkWrite(b *testing.B, groups, each int, opts vfile.Options) {
	s, err := vfile.Open(b.TempDir(), groups, opts)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	batch := make([]storage.Put, groups*each)
	fill := func(n uint64) {
		for i := range batch {
			batch[i] = record(n, 256, n)
			batch[i].Group = i / each
		}
	}
	fill(0)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(batch); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n*len(batch))/b.Elapsed().Seconds(), "saves/s")
}

func BenchmarkRead(b *testing.B) {
	s, err := vfile.Open(b.TempDir(), 1, vfile.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const records = 20000
	for i := range uint64(records) {
		p := record(i, 256, i)
		p.Sync = i%1000 == 999
		if err := s.Write([]storage.Put{p}); err != nil {
			b.Fatal(err)
		}
	}
	for name, step := range map[string]uint64{"forward": 1, "scattered": 7919} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i += step {
				if _, err := s.Read(0, i%records, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRecovery opens a log of 100000 records of which nothing but the
// value file is durable, as after a crash, and one that was closed.
func BenchmarkRecovery(b *testing.B) {
	const records = 100000
	dir := b.TempDir()
	opts := vfile.Options{CheckpointBytes: 1 << 40, FlushEntries: 1 << 20}
	s, err := vfile.Open(dir, 1, opts)
	if err != nil {
		b.Fatal(err)
	}
	var batch []storage.Put
	for i := range uint64(records) {
		p := record(i, 100, i)
		p.Sync = i%1000 == 999
		if batch = append(batch, p); p.Sync {
			if err := s.Write(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	crashed := filepath.Join(b.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for name, from := range map[string]string{"crashed": crashed, "closed": dir} {
		b.Run(name, func(b *testing.B) {
			var took time.Duration
			n := 0
			for b.Loop() {
				copied := filepath.Join(b.TempDir(), fmt.Sprint(n))
				if err := os.CopyFS(copied, os.DirFS(from)); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				s, err := vfile.Open(copied, 1, vfile.Options{})
				if err != nil {
					b.Fatal(err)
				}
				took += time.Since(start)
				if max, err := s.Max(0); err != nil || max != records-1 {
					b.Fatal(max, err)
				}
				s.Close()
				os.RemoveAll(copied)
				n++
			}
			b.ReportMetric(float64(took.Milliseconds())/float64(n), "ms/open")
		})
	}
}

// BenchmarkSync is what the disk gives: a sync of some bytes put into a file
// that grows with them, into the hole of a file that has its size, and over
// zeros that are on disk already.
func BenchmarkSync(b *testing.B) {
	for _, bytes := range []int{256, 4096} {
		for _, into := range []string{"growing", "hole", "zeros"} {
			b.Run(fmt.Sprintf("bytes=%d/%s", bytes, into), func(b *testing.B) {
				f, err := osfs.FS{}.Open(filepath.Join(b.TempDir(), "f"), storage.ReadWrite|storage.Create)
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				const size = 128 << 20
				if into != "growing" {
					f.Truncate(size)
				}
				if into == "zeros" {
					f.WriteAt(make([]byte, size), 0)
				}
				f.Sync()
				p := record(1, bytes, 1).Data[:bytes-30]
				at := int64(0)
				for b.Loop() {
					if _, err := f.WriteAt(p, at%size); err != nil {
						b.Fatal(err)
					}
					if err := f.SyncData(); err != nil {
						b.Fatal(err)
					}
					at += int64(len(p))
				}
			})
		}
	}
}
