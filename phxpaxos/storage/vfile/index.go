package vfile

import "errors"

// index maps instances to locations and holds the variables. There are two:
// the original's LevelDB, and a plain file for the simulator. Nothing but a
// variable is durable before sync, and after a crash any part of what was
// not synced may be missing: recovery scans the value files instead. Only
// one goroutine writes at a time; any may read.
type index interface {
	// get returns the value of a key, or errAbsent.
	get(key uint64) ([]byte, error)
	// apply puts and deletes the locations in the order of ops.
	apply(ops []indexOp, sync bool) error
	// set stores a variable durably.
	set(key uint64, value []byte) error
	// sync makes everything before it durable.
	sync() error
	// descend calls fn for the instances from the highest down until it
	// returns false. A value that is no location comes with ok false.
	descend(fn func(instance uint64, loc location, ok bool) bool) error
	// ascend calls fn for the instances from the given one up until it
	// returns false.
	ascend(from uint64, fn func(instance uint64) bool) error
	close() error
}

var errAbsent = errors.New("key is not in the index")

type indexOp struct {
	key  uint64
	loc  location
	gone bool
}

// locate returns the location of an instance, or errAbsent; ok is false when
// what the index holds is no location.
func locate(ix index, instance uint64) (loc location, ok bool, err error) {
	value, err := ix.get(instance)
	if err != nil {
		return location{}, false, err
	}
	loc, ok = decodeLocation(value)
	return loc, ok, nil
}

// highest returns the highest instance in the index.
func highest(ix index) (instance uint64, some bool, err error) {
	err = ix.descend(func(key uint64, _ location, _ bool) bool {
		instance, some = key, true
		return false
	})
	return instance, some, err
}
