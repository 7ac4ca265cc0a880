// Package memfs is a storage.FS in memory that can lose power, for the
// simulator and for tests. It is promised to users, who may run their own
// storages on it. It has no goroutine and no clock: with one caller, the same
// calls and the same random source give the same bytes.
//
// # The disk that it stands for
//
// A write goes to the page cache and is seen by every reader at once. It is
// on disk when a later Sync or SyncData of the same file has succeeded. Until
// then a loss of power may leave of each write, on its own and in any
// combination: all of it, nothing, a prefix of any number of bytes, or any
// selection of its 512-byte sectors. What is not left is what was there
// before, or zeros beyond the old end: never another file's bytes. A change
// of size is a write in this sense. Sectors that were not written keep their
// content, with or without power.
//
// The names in a directory are on disk when SyncDir of it has succeeded; of
// later creations, renames and removals a loss of power leaves some number of
// the first ones, as a journalling file system does. A rename is atomic.
// A file whose name is lost is lost, however well it was synced.
//
// A writeback error is the worst that Linux does. What should have become
// durable never gets to disk, and is still read back from the cache until the
// power is lost. One sync of the file reports the error, the first one after
// it; every other sync succeeds, also one that another goroutine began before
// the first one has returned. Linux does so for each open file description.
// FailNext lets the writeback of a sync itself fail; FailWriteback lets one
// fail that the system began, so that any sync may get the error.
//
// Kill ends the process instead: nothing in the cache is lost, and nothing of
// it is durable either. Crash is the loss of power. Both end the life of the
// FS and its files and return another FS for the next process.
package memfs
