package group

import (
	"encoding/binary"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// digestState takes a digest of the state machines if one is due after an
// instance, all of which is executed. It is one digest of all state machines
// that have one. A state that includes later instances has none of this one.
func (g *Group) digestState(instance uint64) {
	if !g.cfg.FullHistory || (instance+1)%sm.DigestEvery != 0 || instance < g.exec.covered || !g.exec.level() {
		return
	}
	var digests, schemes []byte
	for _, m := range g.exec.machines {
		d, ok := m.(sm.Digester)
		if !ok {
			continue
		}
		digest, err := d.StateDigest(g.cfg.Index)
		if err != nil {
			g.observe(event.Event{Kind: event.ExecuteFailed, Instance: instance, Number: uint64(m.ID()), Err: fmt.Errorf("state digest: %w", err)})
			return
		}
		digests = binary.LittleEndian.AppendUint64(digests, digest)
		schemes = fmt.Appendf(schemes, "%d %q ", m.ID(), d.DigestScheme())
	}
	if len(digests) == 0 {
		return
	}
	s := &g.history.states
	copy(s[1:], s[:])
	s[0] = wire.StateDigest{Instance: instance, Scheme: paxos.ValueHash(schemes), Digest: paxos.ValueHash(digests)}
}
