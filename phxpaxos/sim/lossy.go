package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const (
	lossesMax = 5               // of a life, so that a machine without a checkpoint gets to its end
	goneMax   = 2 * time.Second // how long a machine stays away at most
)

var errLostMemory = fmt.Errorf("%w: simulated loss of memory", sm.ErrInterrupted)

// lossyMachine is a machine that loses its memory now and then, at any entry
// or between two, and falls back to what it has saved. It saves at random ends
// of instances, or never. A new life begins with nothing, so the log below what
// was saved must not be cleaned for it.
type lossyMachine struct {
	*machine
	member *member
	chance *rand.Rand
	losses int // per ten thousand entries
	saves  int // per ten thousand ends of instances

	saved    [256]uint64
	savedTo  uint64 // instance, or sm.NoCheckpoint
	savedAt  int    // entries of this life
	savedSum uint64 // entries of all lives
	count    int    // of losses
	lost     bool   // and the group does not know it yet
	backFrom time.Duration
}

func newLossyMachine(m *member) *lossyMachine {
	w := m.n.w
	return &lossyMachine{machine: m.machine, member: m, savedTo: sm.NoCheckpoint,
		losses: w.plan.load.losses, saves: w.plan.load.saves,
		chance: stream(w.plan.Seed, streamLoss+uint64(m.n.index*w.plan.Groups+m.index)+uint64(m.n.life)<<20)}
}

// Execute applies one operation, or loses everything before or behind it.
func (l *lossyMachine) Execute(e sm.Entry) ([]byte, error) {
	if l.lost || l.loses(l.losses) {
		return nil, errLostMemory
	}
	result, err := l.machine.Execute(e)
	if err == nil && e.Last && l.chance.IntN(10000) < l.saves {
		l.saved, l.savedTo, l.savedAt, l.savedSum = l.registers, e.Instance, l.member.executed, l.machine.count
	}
	if err == nil && l.loses(l.losses) {
		return nil, errLostMemory
	}
	return result, err
}

// ExecuteBatch applies operations up to the first that fails.
func (l *lossyMachine) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	return executeBatch(l, entries, results)
}

// loses draws whether everything behind what was saved is lost now.
func (l *lossyMachine) loses(perTenThousand int) bool {
	w := l.member.n.w
	if l.lost || l.count >= lossesMax || w.phase >= proving || l.chance.IntN(10000) >= perTenThousand {
		return false
	}
	w.tracef(l.member.n.name, "state machine of group %d falls back from %d entries to %d", l.member.index, l.member.executed, l.savedAt)
	w.stats.Forgotten += uint64(l.member.executed - l.savedAt)
	w.stats.Losses++
	l.registers, l.member.executed, l.machine.count = l.saved, l.savedAt, l.savedSum
	l.lost, l.count = true, l.count+1
	l.backFrom = w.now + pick(l.chance, 0, between(l.chance, 0, goneMax))
	return true
}

// Rewound says where the state ends once the machine is back.
func (l *lossyMachine) Rewound(int) (to uint64, rewound bool) {
	l.loses(l.losses / 10)
	if !l.lost || l.member.n.w.now < l.backFrom {
		return 0, false
	}
	l.lost = false
	return l.savedTo, true
}

// OnRewind does nothing: the group has to notice by itself.
func (l *lossyMachine) OnRewind(int, func()) {}
