package sharedlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

func record(group int, instance uint64, bytes int) storage.Put {
	return storage.Put{Group: group, Instance: instance, Data: logstoragetest.Record(instance, bytes, instance), Sync: true}
}

// BenchmarkWrite is group commit as the disk goroutine of a node does it:
// each Write holds one synced record for every group.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ groups, bytes int }{
		{1, 256}, {10, 256}, {100, 256}, {1000, 256}, {1, 16 << 10}, {1, 64 << 10}, {1, 128 << 10}, {1, 1 << 20},
	} {
		for name, opts := range map[string]sharedlog.Options{"default": {}, "append": {ZeroAheadMax: -1}} {
			b.Run(fmt.Sprintf("groups=%d/bytes=%d/%s", c.groups, c.bytes, name), func(b *testing.B) {
				benchmarkWrite(b, c.groups, c.bytes, opts, false)
			})
		}
		b.Run(fmt.Sprintf("groups=%d/bytes=%d/recycle", c.groups, c.bytes), func(b *testing.B) {
			benchmarkWrite(b, c.groups, c.bytes, sharedlog.Options{SegmentBytes: 16 << 20}, true)
		})
	}
}

// benchmarkWrite trims all the time if asked to, so that segments are used
// again.
func benchmarkWrite(b *testing.B, groups, bytes int, opts sharedlog.Options, trim bool) {
	s, err := sharedlog.Open(b.TempDir(), groups, opts)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	batch := make([]storage.Put, groups)
	for g := range batch {
		batch[g] = record(g, 0, bytes)
	}
	n := uint64(0)
	b.ReportAllocs()
	b.SetBytes(int64(groups * bytes))
	for b.Loop() {
		for g := range batch {
			batch[g].Instance = n
		}
		if err := s.Write(batch); err != nil {
			b.Fatal(err)
		}
		if n++; trim && n%64 == 0 {
			for g := range groups {
				if err := s.Trim(g, n-8); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(n)*float64(groups)/b.Elapsed().Seconds(), "saves/s")
}

func BenchmarkRead(b *testing.B) {
	s, err := sharedlog.Open(b.TempDir(), 1, sharedlog.Options{SegmentBytes: 2 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const records = 20000
	fillLog(b, s, records, 256)
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

func fillLog(b *testing.B, s storage.LogStorage, records, bytes int) {
	b.Helper()
	var batch []storage.Put
	for i := range uint64(records) {
		p := record(0, i, bytes)
		p.Sync = i%1000 == 999
		if batch = append(batch, p); p.Sync {
			if err := s.Write(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// BenchmarkRecovery opens a log that was closed, and one that was not.
func BenchmarkRecovery(b *testing.B) {
	const records = 300000
	dir := b.TempDir()
	s, err := sharedlog.Open(dir, 1, sharedlog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	fillLog(b, s, records, 100)
	crashed := filepath.Join(b.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for name, dir := range map[string]string{"closed": dir, "crashed": crashed} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s, err := sharedlog.Open(dir, 1, sharedlog.Options{})
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// BenchmarkMemory reports what an open store takes in memory: for each of
// 10 000 idle groups with a few records, and for each instance of one group.
func BenchmarkMemory(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, c := range []struct {
		name              string
		groups, instances int
	}{{"groups", 10000, 5}, {"instances", 1, 2000000}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				s, err := sharedlog.Open(dir, c.groups, sharedlog.Options{})
				if err != nil {
					b.Fatal(err)
				}
				var batch []storage.Put
				for i := range uint64(c.instances) {
					for g := range c.groups {
						batch = append(batch, storage.Put{Group: g, Instance: i, Data: make([]byte, 100)})
					}
					if len(batch) < 10000 && int(i) != c.instances-1 {
						continue
					}
					if err := s.Write(batch); err != nil {
						b.Fatal(err)
					}
					batch = batch[:0]
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				batch = nil
				before := heap()
				if s, err = sharedlog.Open(dir, c.groups, sharedlog.Options{}); err != nil {
					b.Fatal(err)
				}
				took := float64(heap() - before)
				b.ReportMetric(took/float64(c.groups), "B/group")
				b.ReportMetric(took/float64(c.groups*c.instances), "B/instance")
				s.Close()
			}
		})
	}
}
