package paxos

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Rand is the core's only source of chance; *rand.Rand of math/rand/v2 is one.
type Rand interface{ IntN(n int) int }

// Env takes what a core hands out. Save and Send are only called by Flush;
// Observe may be called at any time. None of them calls the core back.
type Env interface {
	// Save asks for a record to be written behind all earlier ones.
	// Core.Saved or Core.SaveFailed follows.
	Save(s Save)
	// Send hands out a message, to m.To or, if that is nodeid.None, to every
	// other member. m is valid during the call, its slices stay valid.
	Send(m *Message)
	// Observe reports an event.
	Observe(e event.Event)
}

// Save is one record on its way to the disk.
type Save struct {
	Seq    uint64 // 1, 2, 3 …
	Record Record
	Sync   bool // must be durable before Saved, else written is enough
}

// Timing holds the waiting times (spec/protocol.md section 2.3).
type Timing struct {
	PrepareFirst, PrepareMax time.Duration // a prepare round's patience, doubled each time
	AcceptFirst, AcceptMax   time.Duration // an accept round's patience
	RetryMin, RetrySpan      time.Duration // pause after a lost round: RetryMin + rand(RetrySpan)
	RetryMost                time.Duration // what the span grows to while rounds for one value are lost
	AskMin, AskSpan          time.Duration // period of asking for what was missed
	AskSoon                  time.Duration // pause between two asks caused by messages from ahead
	AckEvery                 uint64        // acknowledge every so many learned instances
}

// TimingFor returns the original's times for a member or a follower in normal
// or large value mode.
func TimingFor(large, follower bool) Timing {
	const ms = time.Millisecond
	t := Timing{
		PrepareFirst: 2000 * ms, PrepareMax: 8000 * ms,
		AcceptFirst: 1000 * ms, AcceptMax: 8000 * ms,
		RetryMin: 10 * ms, RetrySpan: 30 * ms, RetryMost: 1000 * ms,
		AskMin: 2500 * ms, AskSpan: 500 * ms, AskSoon: 100 * ms,
		AckEvery: 4,
	}
	if follower {
		t.AskMin, t.AskSpan = 2000*ms, 1000*ms
	}
	if large {
		t.PrepareFirst, t.PrepareMax = 15000*ms, 90000*ms
		t.AcceptFirst, t.AcceptMax = 15000*ms, 90000*ms
		t.AskMin, t.AskSpan = 50000*ms, 10000*ms
		if follower {
			t.AskMin, t.AskSpan = 30000*ms, 15000*ms
		}
		t.AckEvery = 2
	}
	return t
}

// Hazards switches single safety rules off, so that the simulator can prove
// that its scenarios reach the hazards of spec/hazards.md. Only tests set it.
type Hazards struct {
	ReuseBallotAfterLoss bool // H1a: keep skip-prepare after a lost instance
	InferFromNextAccept  bool // H1b: an accept for N+1 proves N
	KeepBallotOnMembers  bool // H2: keep skip-prepare across a membership change
	LearnLowersPromise   bool // H3: a learned ballot replaces the promise
	ReplayFromNewest     bool // H4: the most advanced state machine decides where a start begins
	CleanToNewest        bool // H4: and how far the log is cleaned
	RepeatBatch          bool // H5: a batch that failed half way starts over
}

// Config says what a core is. Every field but Following and Hazards is needed.
type Config struct {
	Me        nodeid.ID
	Members   Membership
	Following nodeid.ID // not None: learn only, and tell whom this node follows
	Timing    Timing
	Rand      Rand
	Hazards   Hazards

	// SyncLearned picks the learned values whose record has to be synced, nil
	// none: what is executed may be stored elsewhere, and must not outlive
	// its record.
	SyncLearned func(value []byte) bool
	// ExecuteFirst holds the announcement of an own chosen value back until
	// Advance, so that nobody knows of it before it is executed here.
	ExecuteFirst bool
}

// State is what a core starts from: what the log of its node holds.
type State struct {
	Instance     uint64 // the current, undecided instance
	Promised     Ballot // highest promise in the log
	Accepted     Ballot // accepted at Instance, or null
	Value        []byte // accepted at Instance
	Checksum     uint32 // of the record at Instance
	LastChecksum uint32 // chain through Instance-1, 0 if unknown
	Sum          uint64 // full history: hash of Value, 0 if unknown
	LastChain    uint64 // full history: chain through Instance-1, 0 if unknown
}
