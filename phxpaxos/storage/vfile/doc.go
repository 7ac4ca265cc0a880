// Package vfile is the storage.LogStorage with the original's bytes on disk
// (spec/storage-api.md section 2): a directory that an original node left can
// be opened, and the other way round. It may change; users see it through
// package phxpaxos and the contract in package storage. Stores are safe for
// concurrent use.
//
// # What is on disk
//
//	<dir>/g<i>/           LevelDB: instance -> (file, offset, checksum), variables
//	  LOCK                both kinds of lock, so that original nodes keep out
//	  vfile/N.f           records back to back; a zero length word ends them
//	  vfile/meta          the number of the current file; empty means 0
//	  vfile/N.crc         ours: a CRC-32C for each record of N.f
//	  vfile/durable       ours: up to where everything is known to be on disk
//	<dir>/g<i>.bak/       the log before the last Clear
//	<dir>/g<i>.new/       only while Clear works
//
// The original ignores what is ours. Its own event log, vfile/LOG, is not
// written by us: when it has grown, an original node has been here.
//
// # Writing
//
// One Write puts the records of each group into the group's current file with
// one write and one fdatasync, whatever their number; the files of several
// groups are synced at once. Index entries stay in memory, where Read and Max
// look first, and go to LevelDB later, unsynced, by a background goroutine.
// Another one fills the file with zeros ahead of the records, so that a sync
// need not allocate. When a file is full it is synced, then meta is, and only
// then is the next file made.
//
// Every CheckpointBytes the background syncs file, checksums and index, and
// last of all writes the position into vfile/durable. What is behind it can
// be found again from the value files alone; so the index may lose anything.
//
// All syncs of a file share one result, whichever goroutine and handle makes
// them: see package onesync.
//
// # The checksum file
//
// N.crc is a row of 32-byte entries sorted by offset, little-endian:
//
//	uint32 offset | int32 length word | uint64 instance | uint32 the original's
//	checksum | uint32 CRC-32C of the record | uint32 N, bits 28 … 30: format
//	less 1, top bit: intent | uint32 CRC-32C of the 28 bytes in front
//
// The file is synced only by checkpoints. Four rules make that safe:
//   - An entry that is torn or missing says nothing: the record gets what the
//     original's format gives, a checksum over every 8th byte.
//   - An entry is written after its record was synced. So one that is there
//     proves that its record was durable: what does not match it is damaged,
//     not torn.
//   - An entry counts only if the original's checksum in it equals the one in
//     the index. When an original node wrote something else to that place, it
//     has changed the index.
//   - When an original node has been here, the entries of all files that it
//     may have written to are dropped.
//
// An intent is the one entry that is synced before its record is written. It
// is for records with a whole 512-byte sector of zeros in them: if power
// fails, a sector that did not reach the disk reads as zeros too.
//
// # Format numbers
//
// A note or a checksum entry of a newer version is storage.ErrNewerFormat; no
// file of ours is changed then. See newer.go.
//
// # Recovery
//
// Every open looks at the position in vfile/durable, verifies the record in
// front of it, and scans what follows. If an original node has been here, it
// starts as the original does at the newest indexed record, verified, and if
// the index was emptied, at the oldest file that is left. It reads until
// something is not a whole record: an impossible length, data that does not
// parse, a missing sector. Then:
//
//	a record at or behind it is proven durable    storage.ErrDamaged
//	the file was finished, and not all is zero    storage.ErrDamaged
//	an original node wrote it, and a whole
//	record follows somewhere                      storage.ErrDamaged
//	else                                          a torn tail: nobody was told of it
//
// Damage stops its group, with file and offset in the error; nothing is
// skipped or cut away, and the other groups work. A torn tail is cut off, the
// rest of the file becomes zeros again, and index entries that point behind
// it are removed. What was scanned is written once more and synced: after a
// failed sync the cache may show what the disk does not have. So when Open
// returns, everything that it found is durable.
//
// What recovery cannot see: damage in the records that were written after the
// last checkpoint, when a loss of power took their checksums as well.
//
// # The index under test
//
// LevelDB runs on the same storage.FS as the files, so injected failures and
// losses of power reach it too. It has goroutines of its own, though, and a
// simulator needs the same calls in the same order from one seed. With
// Options.Deterministic a plain file takes its place, and nothing runs in the
// background; recovery, which may trust neither, is the same.
package vfile
