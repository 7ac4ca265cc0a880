// Package storage keeps the log of a node: records by group and instance, and
// a few small variables of each group.
//
// It knows nothing of Paxos: a record is a string of bytes. LogStorage is the
// contract and is promised to users, who may bring their own; package vfile
// is the implementation with the original's bytes on disk. Everything that an
// implementation asks of a file system goes through FS, so that the simulator
// can crash it.
package storage

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

var (
	// ErrNotFound: there is no such record or variable.
	ErrNotFound = errors.New("not found in log storage")
	// ErrDamaged: the bytes on disk are not the bytes that were written. The
	// wrapping error names file and offset. It is never returned for data
	// that was never written.
	ErrDamaged = errors.New("log storage is damaged")
	// ErrNewerFormat: a file is whole, and its format number is above what
	// this version reads. The remedy is to install the newer version again.
	ErrNewerFormat = errors.New("written by a newer version")
	// ErrFailed: an earlier write or sync failed, so what is on disk is
	// uncertain; nothing more is written until the storage is opened again.
	ErrFailed = errors.New("log storage refuses writes after a failure")
	// ErrInUse: another process has the directory open.
	ErrInUse = errors.New("log storage is in use by another process")
	// ErrClosed: the storage was closed.
	ErrClosed = errors.New("log storage is closed")
	// ErrGroup: the group index is out of range.
	ErrGroup = errors.New("group index out of range")
	// ErrOrder: a Put went back to an instance below the newest one of its
	// group. Nothing of that group was written; the group is not failed.
	ErrOrder = errors.New("instance is below the newest one of its group")
	// ErrRecord: a Put or a variable that the storage cannot hold: empty, too
	// large, or not what the format allows. Nothing of that group was
	// written; the group is not failed.
	ErrRecord = errors.New("record cannot be stored")
)

// NewerFormat returns the error for a file whose format number is above the
// highest supported one. It matches ErrNewerFormat.
func NewerFormat(file string, found, supported uint64) error {
	return fmt.Errorf("%s has format %d, this version supports up to %d; install the newer version again: %w",
		file, found, supported, ErrNewerFormat)
}

// Put is one record to be written. A later Put of the same group and instance
// replaces an earlier one.
type Put struct {
	Group    int
	Instance uint64
	Data     []byte // valid until Write returns: who keeps it copies it; never empty
	Sync     bool   // Write must not return before it is durable
}

// Variable names one of the small durable values of a group.
type Variable uint8

const (
	MinChosen       Variable = iota // 8 bytes little-endian: no instance below it is kept
	SystemVariables                 // membership and cluster id, serialized
	MasterVariables                 // the last known master, serialized
)

// WriteError says which groups of a batch were not written. Groups that it
// does not name are as durable as if Write had succeeded.
type WriteError struct {
	Groups map[int]error
}

func (e *WriteError) Error() string {
	ids := make([]int, 0, len(e.Groups))
	for g := range e.Groups {
		ids = append(ids, g)
	}
	sort.Ints(ids)
	parts := make([]string, 0, len(ids))
	for _, g := range ids {
		parts = append(parts, fmt.Sprintf("group %d: %v", g, e.Groups[g]))
	}
	return "log storage write failed: " + strings.Join(parts, "; ")
}

// Unwrap returns the errors of the groups, so that errors.Is sees them.
func (e *WriteError) Unwrap() []error {
	out := make([]error, 0, len(e.Groups))
	for _, err := range e.Groups {
		out = append(out, err)
	}
	return out
}

// IdentityKeeper is implemented by a LogStorage that keeps the identity of its
// node: which node writes the log, in which cluster, and how often it has
// started. Without it a node cannot notice that it was given the log of
// another one, and says so once when it starts. Both methods are called by one
// goroutine at a time and may block on the disk.
type IdentityKeeper interface {
	// Identity returns what SetIdentity stored last, or an error that matches
	// ErrNotFound.
	Identity() ([]byte, error)

	// SetIdentity stores at most 4096 bytes in the place of those stored
	// before. When it returns nil they are durable; after a crash or an error
	// the old or the new ones are there, whole. Clear does not change them.
	SetIdentity(b []byte) error
}

// LogStorage holds the logs of groups 0 … Groups()-1.
//
// Write is called by one goroutine at a time; every other method may be
// called by any goroutine at any time, also while Write runs. Methods block
// on the disk.
type LogStorage interface {
	// Groups returns how many groups the storage was opened for.
	Groups() int

	// Write appends the puts in their order. When it returns nil, all of them
	// can be read, and those with Sync, and every put of the same group
	// before them (of this and of earlier calls), are durable. It returns a
	// *WriteError when only some groups failed, and any other error when all
	// did. After a failure the group refuses every further write with an
	// error that matches ErrFailed until the storage is opened again.
	//
	// Instances of a group never go down: the original refuses to start on a
	// log where they do. A Put below the newest instance written since the
	// group was last cleared is refused with ErrOrder (an instance that was
	// dropped from the end does not count), one that cannot be stored with
	// ErrRecord. The other groups of the batch are written.
	Write(puts []Put) error

	// Read returns the newest record of an instance, appended to buf[:0], or
	// an error that matches ErrNotFound or ErrDamaged.
	Read(group int, instance uint64, buf []byte) ([]byte, error)

	// Max returns the highest instance that has a record, or ErrNotFound.
	Max(group int) (uint64, error)

	// Trim forgets the records of every instance below the given one. It may
	// do so lazily and need not be durable.
	Trim(group int, below uint64) error

	// Drop forgets the record of a single instance; dropping an absent one is
	// no error.
	Drop(group int, instance uint64) error

	// Clear forgets every record of the group and MinChosen, and keeps the
	// other variables. When it returns it is durable.
	Clear(group int) error

	// SetVariable stores a variable durably; Variable returns it or
	// ErrNotFound.
	SetVariable(group int, name Variable, value []byte) error
	Variable(group int, name Variable) ([]byte, error)

	// Dir returns the directory of the group, for checkpoint files, or "" if
	// the storage has none.
	Dir(group int) string

	// Close releases everything. Calls during or after Close return ErrClosed.
	Close() error
}
