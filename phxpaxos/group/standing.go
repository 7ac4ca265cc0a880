package group

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// shownTimes is in how many heartbeats a node states where a group is by its
// full history, after that has changed: one can be lost, and meet a node that
// is not there yet.
const shownTimes = 3

// shown remembers which standings the last heartbeats stated, so that idle
// groups cost nothing: 16 bytes for a group.
type shown []struct {
	instance uint64
	times    uint8
}

// next returns the standings for the next heartbeat of the groups from first
// on, whose instances it states; nil if the full history is off.
func (s *shown) next(g *Group, first int, instances []uint64) []byte {
	if !g.cfg.FullHistory {
		*s = nil
		return nil
	}
	if len(*s) < g.cfg.Groups {
		*s = make(shown, g.cfg.Groups)
	}
	var list []wire.Standing
	for i, instance := range instances {
		last := &(*s)[first+i]
		if last.instance != instance {
			last.instance, last.times = instance, 0
		}
		if last.times == shownTimes {
			continue
		}
		standing := g.standing(first + i)
		if standing.Instance != instance {
			standing.Chain = 0 // it has moved on since
		}
		last.times++
		if standing.Chain != 0 || standing.State.Digest != 0 {
			list = append(list, standing)
		}
	}
	return wire.AppendStandings(nil, list)
}

// standing is where a group of this node is.
func (g *Group) standing(group int) wire.Standing {
	if group == g.cfg.Index {
		return g.Standing()
	}
	s := g.cfg.Siblings.Standing(group)
	s.Group = group
	return s
}

// compare takes the standings that a heartbeat states, once it is decoded.
// Groups compare for themselves; they are called only where they may differ.
func (d *digests) compare(g *Group, m *paxos.Message) {
	if !g.cfg.FullHistory || !m.Checked || len(m.History) == 0 {
		return
	}
	list, err := wire.DecodeStandings(m.History, &d.decoded, nil)
	if err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Peer: m.From, Size: len(m.History), Err: err})
		return
	}
	for _, theirs := range list {
		if theirs.Group >= g.cfg.Groups {
			return
		}
		own := g.standing(theirs.Group)
		chain := own.Instance == theirs.Instance && unlike(own.Chain, theirs.Chain)
		state := own.State.Differs(theirs.State)
		switch {
		case !chain && !state:
		case theirs.Group == g.cfg.Index:
			g.Compare(m.From, theirs)
		default:
			g.cfg.Siblings.Compare(theirs.Group, m.From, theirs)
		}
	}
}
