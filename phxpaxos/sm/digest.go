package sm

// DigestEvery is how often a state digest is taken: after each instance i with
// (i+1) % DigestEvery == 0.
const DigestEvery = 4096

// Digester is implemented by a state machine whose state can be compared
// between nodes. The chain of the full history proves that nodes executed the
// same values; it says nothing about what their state machines made of them,
// such as a state machine that depends on the clock, a bug that a new version
// of the program has fixed on one node only, or memory that has gone bad.
//
// StateDigest returns a hash of group's state, the same on every node that has
// executed the same entries. Such as a sum over hash(key, value) that is
// brought up to date with each change: to walk over a large state is too
// expensive, since the group executes nothing meanwhile. The group calls it
// after everything of an instance at which a digest is due was executed, with
// feature level 1, or Options.FullHistory, only, by the goroutine that executes; never when a part
// of what the state holds came with a checkpoint that reaches beyond the
// instance. While it replays its log at the start it calls it too. An error
// means that the digest is not known here; then that instance is not compared.
//
// Nodes state their last digests in heartbeats. If two differ, the members are
// compared, and those outside of a majority stop.
//
// DigestScheme names what is hashed and how, such as "account/2". Digests of
// different schemes are never compared, so a new version of a program can hash
// something else while other nodes still run the old one.
type Digester interface {
	StateMachine
	DigestScheme() string
	StateDigest(group int) (digest uint64, err error)
}
