package main

import (
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// diskCounts is what a log storage did to its file system.
type diskCounts struct {
	dataSyncs atomic.Uint64 // fdatasync of a file
	fullSyncs atomic.Uint64 // fsync of a file
	dirSyncs  atomic.Uint64 // fsync of a directory
	dataTime  atomic.Int64  // nanoseconds in all of dataSyncs
	writes    atomic.Uint64
	bytes     atomic.Uint64
}

// countingFS passes everything on and counts what costs a disk its time.
type countingFS struct {
	storage.FS
	counts *diskCounts
}

func (c countingFS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := c.FS.Open(name, flags)
	if err != nil {
		return nil, err
	}
	return countingFile{f, c.counts}, nil
}

// SyncDir counts before it syncs, as all methods here do: a sync that fails
// has kept the disk busy as well.
func (c countingFS) SyncDir(name string) error {
	c.counts.dirSyncs.Add(1)
	return c.FS.SyncDir(name)
}

type countingFile struct {
	storage.File
	counts *diskCounts
}

func (f countingFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.counts.writes.Add(1)
	f.counts.bytes.Add(uint64(n))
	return n, err
}

// DropCache implements storage.CacheDropper where the file does.
func (f countingFile) DropCache() error { return storage.DropCache(f.File) }

func (f countingFile) Sync() error {
	f.counts.fullSyncs.Add(1)
	return f.File.Sync()
}

func (f countingFile) SyncData() error {
	f.counts.dataSyncs.Add(1)
	began := time.Now()
	err := f.File.SyncData()
	f.counts.dataTime.Add(int64(time.Since(began)))
	return err
}
