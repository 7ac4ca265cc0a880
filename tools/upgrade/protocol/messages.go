package protocol

import "time"

// Parent and node exchange gob streams: a Setup and then Requests on the
// node's standard input, Reports on its standard output.

// Setup is the first message to a node process.
type Setup struct {
	Me          int      // index into Nodes
	Nodes       []string // ip:port of each member
	Dir         string   // of the log and of the state machines
	Layout      string   // of the log: original or shared
	Life        uint32   // how often this node was started before
	Groups      int
	Clients     int           // each proposes one value after the other
	Rest        time.Duration // of a client between two proposals
	Hold        int           // Options.HoldInstances
	Membership  bool          // Options.UseMembership
	Master      bool          // Options.UseMaster
	NoPacketCRC bool
}

// Request asks a node process for one thing. Exactly one field is set.
type Request struct {
	Status bool
	Pause  bool   // the clients end; answered when they have
	Limit  *Limit // Node.LimitFeatures
}

// Limit is the highest level that the cluster may use.
type Limit struct {
	Level uint32
	Set   bool // always true: gob does not send a struct of zeros
}

// Report is one message of a node process.
type Report struct {
	Ready    bool    // the node runs
	Ack      *Ack    // a client got a result
	Unknown  string  // a call ended with this error
	Fault    string  // what must never happen
	Level    *Level  // the level in force has changed
	Status   *Status // answers Request.Status
	Paused   bool    // answers Request.Pause
	Limited  bool    // answers Request.Limit
	LimitErr string  // of Limited
}

// Ack is a value that a client was told is chosen.
type Ack struct {
	Group    int
	Instance uint64
	Index    uint32
	Key      Key
	At       time.Time
}

// Level is what a node knows of the features in force.
type Level struct {
	Level, Limit uint32
	At           time.Time
}

// Status is where a node is.
type Status struct {
	Now    []uint64          // of each group: all instances below are executed
	Level  *Level            // nil for a version without levels
	Counts map[string]uint64 // events of this life by name
}
