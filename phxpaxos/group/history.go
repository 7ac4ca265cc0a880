package group

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// SetFullHistory switches the full history on or off: a 64-bit hash over every
// byte of every value, which nodes state and compare when they vote, learn,
// announce, catch up and send heartbeats. It may be called at any time; chains
// then begin at the next multiple of paxos.HistoryBlock. While it is off,
// packets and records are those of a node that does not know it.
func (g *Group) SetFullHistory(on bool) {
	g.cfg.FullHistory = on
	g.core.SetHistory(on)
}

// authentic checks a record's value against the hash that was taken when this
// node accepted it. The storage's checksum cannot find a value that changed in
// memory on its way to the storage.
func (g *Group) authentic(r *paxos.Record) error {
	if !g.cfg.FullHistory {
		r.Chain, r.Sum = 0, 0 // written while it was on
	}
	if r.Sum == 0 {
		return nil
	}
	if sum := paxos.ValueHash(r.Value); sum != r.Sum {
		return fmt.Errorf("%w: the value has hash %016x, its record says %016x; restore the directory, or remove the group's log to fetch it from another node",
			paxos.ErrCorrupt, sum, r.Sum)
	}
	return nil
}
