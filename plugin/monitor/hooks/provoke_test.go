package hooks_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// TestEveryHookFires provokes each hook of the table: real nodes with a real
// log among puppets that say what they should not, disks that fail, and real
// sockets. Every scenario also checks that what it provokes is what fires.
func TestEveryHookFires(t *testing.T) {
	all := newProbe()
	t.Run("scenarios", func(t *testing.T) {
		for name, scenario := range scenarios {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(t, all)
			})
		}
	})
	for k := event.None + 1; int(k) < event.Kinds; k++ {
		if n, _ := all.count(k); n == 0 {
			t.Errorf("%v was not fired", k)
		}
	}
	for _, w := range all.wrong {
		t.Error(w)
	}
}

// scenarios are all of them. None takes much longer than the longest time-out
// of the protocol that it waits for, 6 s.
var scenarios = map[string]func(*testing.T, *probe){
	"a value is chosen alone":     chosenAlone,
	"rounds that fail":            failingRounds,
	"an acceptor is asked":        acceptorAsked,
	"a vote is not saved":         voteNotSaved,
	"a promise is not saved":      promiseNotSaved,
	"requests ahead":              requestsAhead,
	"messages that do not fit":    strangeMessages,
	"packets that are broken":     brokenPackets,
	"another value wins":          otherValueWins,
	"callers at the gate":         callersAtTheGate,
	"batches":                     batches,
	"a state machine fails":       machineFails,
	"a mailbox is full":           mailboxFull,
	"a node learns":               nodeLearns,
	"a node teaches":              nodeTeaches,
	"identities":                  identities,
	"histories differ":            historiesDiffer,
	"a value differs":             valueDiffers,
	"histories are compared":      historiesCompared,
	"masters":                     masters,
	"a bid that is overtaken":     bidOvertaken,
	"a reader drives":             readerDrives,
	"a log is replayed":           logReplayed,
	"a stranger is refused":       strangerRefused,
	"senders are doubted":         sendersDoubted,
	"a state machine falls back":  machineFallsBack,
	"sockets":                     sockets,
	"queues of sockets":           socketQueues,
	"a disk fails":                diskFails,
	"an index fails":              indexFails,
	"a record is damaged on disk": recordDamaged,
	"a wiped node comes back":     wipedNodeComesBack,
	"a checkpoint nobody wants":   unaskedCheckpoint,
	"a node is far behind":        farBehind,
	"a replayer fails":            replayerFails,
}
