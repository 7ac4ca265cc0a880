package hooks_test

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// disk is a log storage with the original's files on a disk in memory.
type disk struct {
	t     *testing.T
	own   *probe
	fs    *memfs.FS
	opts  vfile.Options
	store *vfile.Store
}

func newDisk(t *testing.T, all *probe) *disk {
	d := &disk{t: t, own: newProbe(), fs: memfs.New()}
	// Zeros that are written ahead could take the failure that a test is about.
	d.opts = vfile.Options{FlushEntries: 1, CheckpointBytes: 64, ZeroAheadMax: -1, Observer: all.observer(d.own.observer(nil))}
	d.open()
	return d
}

func (d *disk) open() {
	d.t.Helper()
	d.opts.FS = d.fs
	store, err := vfile.Open("log", 1, d.opts)
	if err != nil {
		d.t.Fatal(err)
	}
	d.store = store
	d.t.Cleanup(func() { store.Close() })
}

func (d *disk) write(instances ...uint64) error {
	var puts []storage.Put
	for _, i := range instances {
		puts = append(puts, storage.Put{Instance: i, Data: logstoragetest.Record(i, 100, i), Sync: true})
	}
	return d.store.Write(puts)
}

func diskFails(t *testing.T, all *probe) {
	d := newDisk(t, all)
	if err := d.write(0, 1, 2); err != nil {
		t.Fatal(err)
	}
	awaitFired(t, d.own, event.Append, event.IndexWrite)
	if _, err := d.store.Read(0, 77, nil); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("reading what is not there: %v", err)
	}
	awaitFired(t, d.own, event.IndexNotFound)
	d.fs.FailNext(memfs.OpRead, ".f", syscall.EIO)
	if _, err := d.store.Read(0, 1, nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading from a disk that fails: %v", err)
	}
	awaitFired(t, d.own, event.RecordReadFail)
	d.fs.FailNext(memfs.OpWrite, ".f", syscall.EIO)
	if err := d.write(3); err == nil {
		t.Error("a write that failed succeeded")
	}
	awaitFired(t, d.own, event.RecordWriteFail, event.AppendFail)
}

func indexFails(t *testing.T, all *probe) {
	d := newDisk(t, all)
	var many []uint64 // more than one block of the index: the last one is in a cache
	for i := range uint64(2000) {
		many = append(many, i)
	}
	if err := d.write(many...); err != nil {
		t.Fatal(err)
	}
	awaitFired(t, d.own, event.IndexWrite)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	d.fs = d.fs.Crash(memfs.KeepAll, rand.New(rand.NewPCG(1, 1)))
	d.open() // so that the index is in a table, and not in memory
	d.fs.FailNext(memfs.OpRead, ".ldb", syscall.EIO)
	if _, err := d.store.Read(0, 1, nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading with an index that fails: %v", err)
	}
	awaitFired(t, d.own, event.IndexReadFail)
	d.fs.FailNext(memfs.OpSync, ".log", syscall.EIO)
	if err := d.store.SetVariable(0, storage.MasterVariables, []byte("v")); !errors.Is(err, syscall.EIO) {
		t.Errorf("writing with an index that fails: %v", err)
	}
	awaitFired(t, d.own, event.IndexWriteFail)
}

func recordDamaged(t *testing.T, all *probe) {
	d := newDisk(t, all)
	if err := d.write(0, 1, 2); err != nil {
		t.Fatal(err)
	}
	if err := d.fs.FlipBit("log/g0/vfile/0.f", 60, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Read(0, 0, nil); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("reading a record with a flipped bit: %v", err)
	}
	awaitFired(t, d.own, event.RecordDamaged)
}
