package sm

// Checkpointer is implemented by a state machine whose state is durable.
//
// CheckpointInstance returns the highest instance of group that the durable
// state includes completely, or NoCheckpoint. It is called often, by any
// goroutine. When a node starts, the state machine is given the instances
// behind it again; the log below it may be cleaned.
type Checkpointer interface {
	CheckpointInstance(group int) uint64
}

// CheckpointExecutor is implemented by a state machine that keeps its
// checkpoint apart from what it serves: the node reads the log a second time,
// slower, and gives it every value again for the checkpoint
// (spec/storage-api.md section 3.3). It is called only with
// Options.UseCheckpointReplayer, by a goroutine of its own, in order, never
// for instances that CheckpointInstance includes. An error means "try again".
type CheckpointExecutor interface {
	Checkpointer
	ExecuteForCheckpoint(e Entry) error
}

// Snapshot is a durable state at one instance, as files.
type Snapshot struct {
	Instance uint64   // the highest instance that it includes completely
	Dir      string   // where the files are
	Files    []string // regular files below Dir, with slashes, without "..", relative to Dir
	Release  func()   // called once when the files are not needed any more; may be nil
}

// Snapshotter is implemented by a state machine whose durable state can be
// sent to a node that lacks instances which no log keeps any more. A group can
// only take in such a node if all its state machines that are Checkpointers
// are Snapshotters.
//
// Snapshot freezes the durable state of group. The files must not change until
// Release is called, while execution goes on; several snapshots may be held at
// once. It is called by a goroutine that is not the group's, and may block on
// the disk. Hard links, or copies, of immutable files are the usual way. It
// names at least one file, which may be empty, or a node that receives it could
// not tell it from a state machine that is missing.
//
// LoadSnapshot replaces the state of group by the one in s. It is called by
// the goroutine that executes, so no Execute of the group runs meanwhile, and
// may block on the disk. The files are durable, names and all, so moving them
// out of s.Dir, which is on the file system of the log, and syncing the place
// where they go to is enough; what is left in s.Dir is deleted. When it returns nil, the new state is durable and
// CheckpointInstance returns s.Instance. When it fails, or the process dies
// within it, the state machine must afterwards hold either the old state or
// the new one, at the next start as well: build the new one beside the old one
// and switch with one rename.
type Snapshotter interface {
	Checkpointer
	Snapshot(group int) (Snapshot, error)
	LoadSnapshot(group int, s Snapshot) error
}
