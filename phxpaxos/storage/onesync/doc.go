// Package onesync is a storage.FS in which all syncs of a file share one
// result. Log storages put it around the FS that they are given. It may change.
//
// The Linux kernel reports a writeback error once for each open file
// description, and does not write the lost pages again. When two goroutines
// sync one file at the same time, either of them may get the error, although
// the records of the other one are lost. For example: the commit writes a
// record; the background syncs the zeros that it wrote ahead, and its call
// returns EIO; the sync of the commit returns 0, and the record is
// acknowledged although the disk does not have it.
//
// This package calls the underlying sync for one goroutine at a time and file,
// and keeps the first error. Each sync that waited, and each later sync of the
// file, returns that same error without a system call. It does not matter
// which handle a sync uses: a state belongs to a path, follows the file when
// it is renamed, and ends when the file is removed or replaced. It outlives
// the handles if a sync has failed. A file that is truncated keeps its state;
// a caller that wants to write a file again after a failure removes it first.
//
// SyncDir is treated likewise: one at a time for each directory, and the first
// error stays. An error of opening the directory, such as EMFILE, is not kept,
// because nothing was synced. MkdirAll passes through: stores call it while
// they open or clear a directory, and fail as a whole with its error.
//
// Errors end with the FS. A store that is opened again makes a new one, and
// its recovery writes once more what is not known to be durable.
package onesync
