package storage

import "io"

// FS is all that a log storage asks of a file system. Package osfs is the
// real one; package memfs keeps files in memory and can lose power. Names are
// paths with slashes. Every method may be called by any goroutine and blocks
// on the disk. Errors match fs.ErrNotExist and fs.ErrExist where these apply.
//
// What is durable: the bytes of a file after File.Sync or File.SyncData, its
// name after SyncDir of its directory. Nothing else is.
type FS interface {
	// Open opens a file. It never creates one unless flags has Create.
	Open(name string, flags OpenFlag) (File, error)

	// MkdirAll creates a directory and what is missing above it. The names of
	// the new directories are made durable.
	MkdirAll(name string) error

	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]Entry, error)

	// Stat describes a file or directory.
	Stat(name string) (Entry, error)

	// Remove removes a file or an empty directory, RemoveAll a whole tree; to
	// RemoveAll what is not there is no error. Open files stay usable.
	Remove(name string) error
	RemoveAll(name string) error

	// Rename gives a file or directory another name in the same directory. A
	// file that has the name already is replaced, atomically.
	Rename(from, to string) error

	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error

	// Lock creates the file if need be and takes the one lock on it, against
	// this process and all others. It does not wait: it returns an error that
	// matches ErrInUse. Closing the result gives the lock back.
	Lock(name string) (io.Closer, error)
}

// OpenFlag says how FS.Open opens a file.
type OpenFlag uint8

const (
	ReadOnly  OpenFlag = 0
	ReadWrite OpenFlag = 1 << iota
	Create             // create it if it is missing
	Exclusive          // with Create: fail if it is there
	Truncate           // cut it to 0 bytes
)

// File is an open file. ReadAt and WriteAt are as in package io, and any
// number of goroutines may use them at once. A write beyond the end extends
// the file; the gap reads as zeros.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Truncate sets the size; what it adds reads as zeros.
	Truncate(size int64) error

	// Size returns the size in bytes.
	Size() (int64, error)

	// Sync makes content and attributes durable, SyncData the content and
	// what is needed to read it back. After an error the bytes that were not
	// durable yet may be gone, whatever a later call says, and another call
	// may get the error in place of this one: stores use package onesync.
	Sync() error
	SyncData() error
}

// DataFinder is implemented by files that know where nothing was ever
// written, so that 100 MiB of hole need not be read.
type DataFinder interface {
	// NextData returns the first offset from the given one on that may hold
	// anything but zeros, or the size of the file if there is none.
	NextData(offset int64) (int64, error)
}

// CacheDropper is implemented by files whose content can leave the system's
// cache.
type CacheDropper interface {
	// DropCache says that the durable content will hardly be read again soon. It
	// changes nothing but how long reading takes.
	DropCache() error
}

// DropCache is f's DropCache; it does nothing if f has none.
func DropCache(f File) error {
	if d, ok := f.(CacheDropper); ok {
		return d.DropCache()
	}
	return nil
}

// Entry describes a file or a directory.
type Entry struct {
	Name string // without the directory
	Size int64
	Dir  bool
}
