// Package logdir reads log storage directories in the original's layout
// (spec/storage-api.md section 2) without changing a byte of them, for the
// tools that look at a log while no node runs on it.
//
// A node's own store repairs what a crash left when it opens a directory.
// This package never writes: Group looks at the directory as the store would
// after its repair, in memory, and Survey, Index, Checksums and CheckJournal
// show the parts as they lie on the disk.
//
// While a directory is read its LOCK is held, shared: several tools may read
// at once, no node can start, and a directory that a node uses is refused
// with storage.ErrInUse.
//
// The package serves the tools of this module and may change.
package logdir
