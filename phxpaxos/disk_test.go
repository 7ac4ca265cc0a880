package phxpaxos

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// diskTest is a disk over a storage whose writes wait to be let through.
type diskTest struct {
	t      *testing.T
	store  *memory
	disk   *disk
	obs    *observer
	savers []*saver
	writes [][]storage.Put
	gate   chan error // one value lets one write through
}

func newDiskTest(t *testing.T, groups int) *diskTest {
	d := &diskTest{t: t, store: newMemory(groups), obs: newObserver(nil, nil), gate: make(chan error)}
	d.store.hook = func(puts []storage.Put) error {
		d.writes = append(d.writes, slices.Clone(puts))
		return <-d.gate
	}
	d.disk = newDisk(d.store, d.obs, func() time.Duration { return 0 })
	for g := range groups {
		box := &inbox{}
		box.init(1, 1)
		d.savers = append(d.savers, &saver{group: g, inbox: box})
	}
	go d.disk.run()
	return d
}

func (d *diskTest) save(index int, seq uint64, size int) {
	d.disk.save(d.savers[index], group.Save{Seq: seq, Instance: seq, Data: make([]byte, size), Sync: true})
}

func (d *diskTest) finish() {
	d.disk.close()
	<-d.disk.done
}

// news is what a group was told since the last call.
func (d *diskTest) news(group int) string {
	in := d.savers[group].inbox.take()
	if in.failed != nil {
		return fmt.Sprintf("saved %d failed %d", in.saved, in.failed.seq)
	}
	return fmt.Sprintf("saved %d", in.saved)
}

func (d *diskTest) wantNews(want ...string) {
	d.t.Helper()
	for g, w := range want {
		if got := d.news(g); got != w {
			d.t.Errorf("group %d: got %q, want %q", g, got, w)
		}
	}
}

// While one write runs, the saves of all groups gather, and one write takes
// them all; each group hears of the highest only.
func TestDiskGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiskTest(t, 3)
		d.save(0, 1, 10)
		synctest.Wait()
		for seq := uint64(1); seq <= 4; seq++ {
			d.save(1, seq, 10)
			d.save(2, seq, 10)
			d.save(0, seq+1, 10)
		}
		d.gate <- nil
		synctest.Wait()
		d.wantNews("saved 1", "saved 0", "saved 0")
		d.gate <- nil
		d.finish()
		if len(d.writes) != 2 || len(d.writes[0]) != 1 || len(d.writes[1]) != 12 {
			t.Fatalf("%d writes, want one of 1 and one of 12 puts", len(d.writes))
		}
		d.wantNews("saved 5", "saved 4", "saved 4")
		last := map[int]uint64{0: 1}
		for _, p := range d.writes[1] {
			if p.Instance != last[p.Group]+1 {
				t.Errorf("group %d: instance %d written behind %d", p.Group, p.Instance, last[p.Group])
			}
			last[p.Group] = p.Instance
			if !p.Sync {
				t.Error("sync got lost")
			}
		}
		if n := d.obs.count(event.SyncDone); n != 2 {
			t.Errorf("%d SyncDone events", n)
		}
	})
}

// A write is bounded, so that a small save does not wait for everything.
func TestDiskBoundsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiskTest(t, 2)
		d.save(0, 1, 1)
		synctest.Wait()
		for seq := uint64(2); seq <= 6; seq++ {
			d.save(0, seq, writeBytesMax/2)
		}
		d.save(1, 1, 2*writeBytesMax) // too large, but it has to go
		for range 5 {
			d.gate <- nil
		}
		d.finish()
		sizes := []int{}
		for _, w := range d.writes {
			sizes = append(sizes, len(w))
		}
		if want := []int{1, 2, 2, 1, 1}; !slices.Equal(sizes, want) {
			t.Fatalf("puts per write %v, want %v", sizes, want)
		}
		d.wantNews("saved 6", "saved 1")
	})
}

// A failing group hears of its first failed save and writes nothing more; the
// others do not notice.
func TestDiskPartialFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiskTest(t, 2)
		boom := errors.New("boom")
		d.save(0, 1, 1)
		synctest.Wait()
		d.save(0, 2, 1)
		d.save(0, 3, 1)
		d.save(1, 1, 1)
		d.gate <- nil
		d.gate <- &storage.WriteError{Groups: map[int]error{0: boom}}
		synctest.Wait()
		failed := d.savers[0].inbox.take()
		if failed.saved != 1 || failed.failed == nil || failed.failed.seq != 2 ||
			!errors.Is(failed.failed.err, boom) || !errors.Is(failed.failed.err, ErrStorage) {
			t.Fatalf("group 0 heard %+v", failed.failed)
		}
		d.save(0, 4, 1)
		d.save(1, 2, 1)
		d.gate <- nil
		d.finish()
		d.wantNews("saved 0", "saved 2")
		if w := d.writes[2]; len(w) != 1 || w[0].Group != 1 {
			t.Errorf("after the failure %v was written", w)
		}
	})
}

func TestDiskTotalFailure(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]error{
		"error":               boom,
		"names other group":   &storage.WriteError{Groups: map[int]error{7: boom}},
		"wrapped write error": fmt.Errorf("wrapped: %w", &storage.WriteError{Groups: map[int]error{0: boom, 1: boom}}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiskTest(t, 2)
				d.save(0, 1, 1)
				synctest.Wait()
				d.save(1, 1, 1)
				d.save(0, 2, 1)
				d.gate <- nil
				d.gate <- fail
				d.finish()
				d.wantNews("saved 1 failed 2", "saved 0 failed 1")
			})
		})
	}
}

// A storage that panics has failed, and the goroutine survives.
func TestDiskPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiskTest(t, 2)
		d.store.hook = func([]storage.Put) error { panic("no disk") }
		d.save(0, 1, 1)
		synctest.Wait()
		in := d.savers[0].inbox.take()
		if in.failed == nil || in.failed.seq != 1 || !errors.Is(in.failed.err, ErrStorage) {
			t.Fatalf("heard %+v", in)
		}
		d.store.mu.Lock()
		d.store.hook = nil
		d.store.mu.Unlock()
		d.save(1, 1, 1)
		d.finish()
		d.wantNews("saved 0", "saved 1")
	})
}

// Close writes what is queued.
func TestDiskCloseWritesAll(t *testing.T) {
	d := &diskTest{store: newMemory(1), obs: newObserver(nil, nil), t: t}
	d.disk = newDisk(d.store, d.obs, func() time.Duration { return 0 })
	box := &inbox{}
	box.init(1, 1)
	d.savers = []*saver{{group: 0, inbox: box}}
	for seq := uint64(1); seq <= 10; seq++ {
		d.save(0, seq, 1)
	}
	d.disk.close()
	go d.disk.run()
	<-d.disk.done
	d.wantNews("saved 10")
}

// A node whose disk stands still holds a bounded amount of records: beyond it
// the node hears nothing, while the others go on, and it catches up later.
func TestUnsavedRecordsAreBounded(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 1, nil)
	slow := c.nodes[2]
	put(t, c.nodes[0], "before")
	await.True(t, "all have it", func() bool { return groupStatus(t, slow, 0).Instance == 1 })
	await.True(t, "it is on disk", func() bool { return slow.disk.bytes.Load() == 0 })
	slow.disk.bytes.Add(unsavedMax + 1) // as if so much waited
	before := slow.Count(event.EnqueueReject)
	for range 5 {
		put(t, c.nodes[0], "meanwhile")
	}
	await.True(t, "packets are refused", func() bool { return slow.Count(event.EnqueueReject) > before })
	if s := groupStatus(t, slow, 0); s.Instance != 1 || slow.disk.bytes.Load() != unsavedMax+1 {
		t.Errorf("at instance %d, %d bytes wait", s.Instance, slow.disk.bytes.Load())
	}
	slow.disk.bytes.Add(-unsavedMax - 1)
	put(t, c.nodes[0], "after")
	await.True(t, "it catches up", func() bool { return groupStatus(t, slow, 0).Instance == 7 })
	await.True(t, "nothing waits", func() bool { return slow.disk.bytes.Load() == 0 })
}
