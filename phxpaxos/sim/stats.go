package sim

import (
	"fmt"
	"time"

	paxosevent "github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

var sprintf = fmt.Sprintf

// callPatience bounds the search for an order of one key's calls. It is real
// time, so it only decides whether a search is given up, never its result; the
// order of the log has been tried before.
const callPatience = 50 * time.Millisecond

// Stats counts what happened in a run, or in many.
type Stats struct {
	Runs    uint64
	Virtual time.Duration
	Events  uint64

	Boots, Crashes                           uint64
	Faults                                   [FaultKinds]uint64
	Flips, Found                             uint64 // bits turned, times that damage was found
	Sent, Delivered, Lost, Repeated, Damaged uint64 // packets
	ToDead                                   uint64 // packets for a node that was down
	Writes, Records                          uint64 // of disks
	Proposed, Acknowledged, Refused, Unknown uint64 // calls
	Executed                                 uint64 // entries over all nodes
	Chosen                                   uint64 // instances with a durable quorum
	Searched                                 uint64 // histories of a key in which an order was searched
	Changes, ChangeConflicts                 uint64 // of memberships that were acknowledged, or refused by the log
	Elections, HandOvers                     uint64
	Reads, ReadsFailed, LeaseReads           uint64 // without a place in the log
	Checkpoints, Cleaned, Loaded, Wiped      uint64 // of state machines, of logs, from other nodes, of whole nodes
	Ledgers                                  uint64 // stored
	Blocks, Rotten                           uint64 // sent of checkpoints, and of these wrong
	Losses, Forgotten                        uint64 // of a state machine's memory, and entries that went with it
	Early, Named, Missed                     uint64 // values sent before their turn, accepts that named one, and members that lacked it
	Kinds                                    [256]uint64
}

func (s *Stats) observe(k paxosevent.Kind) { s.Kinds[k]++ }

// early counts what has to do with values that are sent early.
func (s *Stats) early(k paxos.Kind) {
	switch k {
	case paxos.EarlyValue:
		s.Early++
	case paxos.AcceptEarly:
		s.Named++
	case paxos.EarlyMissed:
		s.Missed++
	}
}

// Add sums up.
func (s *Stats) Add(o *Stats) {
	s.Runs += o.Runs
	s.Virtual += o.Virtual
	s.Events += o.Events
	s.Boots += o.Boots
	s.Crashes += o.Crashes
	for i := range s.Faults {
		s.Faults[i] += o.Faults[i]
	}
	s.Flips += o.Flips
	s.Found += o.Found
	s.Sent += o.Sent
	s.Delivered += o.Delivered
	s.Lost += o.Lost
	s.Repeated += o.Repeated
	s.Damaged += o.Damaged
	s.ToDead += o.ToDead
	s.Writes += o.Writes
	s.Records += o.Records
	s.Proposed += o.Proposed
	s.Acknowledged += o.Acknowledged
	s.Refused += o.Refused
	s.Unknown += o.Unknown
	s.Executed += o.Executed
	s.Chosen += o.Chosen
	s.Searched += o.Searched
	s.Changes += o.Changes
	s.ChangeConflicts += o.ChangeConflicts
	s.Elections += o.Elections
	s.HandOvers += o.HandOvers
	s.Reads += o.Reads
	s.ReadsFailed += o.ReadsFailed
	s.LeaseReads += o.LeaseReads
	s.Checkpoints += o.Checkpoints
	s.Cleaned += o.Cleaned
	s.Loaded += o.Loaded
	s.Wiped += o.Wiped
	s.Ledgers += o.Ledgers
	s.Blocks += o.Blocks
	s.Rotten += o.Rotten
	s.Losses += o.Losses
	s.Forgotten += o.Forgotten
	s.Early += o.Early
	s.Named += o.Named
	s.Missed += o.Missed
	for i := range s.Kinds {
		s.Kinds[i] += o.Kinds[i]
	}
}
