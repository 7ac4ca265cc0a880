package feature

import (
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// claimLife is how long an announcement counts: three heartbeats of an
// original's period, or of its large value mode.
const claimLife = 200 * time.Second

// Claims holds the newest announcement of each other member. The zero value is
// ready for use. Memory is bounded by the number of members that Note is called
// for.
type Claims struct {
	all []claim
}

type claim struct {
	node nodeid.ID
	at   time.Duration
	said said
}

// said is an announcement, and where its sender was in the log.
type said struct {
	Announcement
	instance uint64
}

// Note takes an announcement of a member whose current instance is given.
func (c *Claims) Note(node nodeid.ID, a Announcement, instance uint64, now time.Duration) {
	for i := range c.all {
		if c.all[i].node == node {
			c.all[i] = claim{node, now, said{a, instance}}
			return
		}
	}
	c.all = append(c.all, claim{node, now, said{a, instance}})
}

// Drop removes the announcement of a node that sends packets as a version does
// that announces nothing.
func (c *Claims) Drop(node nodeid.ID) {
	c.all = slices.DeleteFunc(c.all, func(n claim) bool { return n.node == node })
}

// Announced returns the level that each of others has announced, Base for one
// that has announced none lately.
func (c *Claims) Announced(others []nodeid.ID, now time.Duration) []Level {
	levels := make([]Level, 0, len(others))
	for _, id := range others {
		l := Base
		if said, ok := c.lately(id, now); ok {
			l = said.Supports
		}
		levels = append(levels, l)
	}
	return levels
}

// Agreed returns the state that so many of others state at least, if it is
// newer than own and of the same cluster.
func (c *Claims) Agreed(own State, others []nodeid.ID, enough int, now time.Duration) (State, bool) {
	for _, candidate := range others {
		n, ok := c.lately(candidate, now)
		if s := n.State; !ok || !s.newer(own) {
			continue
		}
		count := 0
		for _, id := range others {
			if m, ok := c.lately(id, now); ok && m.State == n.State {
				count++
			}
		}
		if count >= max(enough, 1) {
			return n.State, true
		}
	}
	return State{}, false
}

// newer reports whether s, stated by others, can take the place of own.
func (s State) newer(own State) bool {
	if !s.known() || s.Cluster.IsZero() || !own.Cluster.IsZero() && s.Cluster != own.Cluster {
		return false
	}
	return !own.known() || s.Version > own.Version
}

// NoChange reports whether there was none before instance that any node still
// knows of: every one of others was there or further when it stated that it
// knows of none, and no other cluster than own.
func (c *Claims) NoChange(own State, others []nodeid.ID, instance uint64, now time.Duration) bool {
	for _, id := range others {
		if n, ok := c.lately(id, now); !ok || n.State.known() || n.State.Cluster != own.Cluster || n.instance < instance {
			return false
		}
	}
	return true
}

// Newer reports whether one of others has stated lately that it knows a state
// that this node, which knows own, has to learn first.
func (c *Claims) Newer(own State, others []nodeid.ID, now time.Duration) bool {
	for _, id := range others {
		if n, ok := c.lately(id, now); ok && n.State.known() && (!own.known() || n.State.Version > own.Version) {
			return true
		}
	}
	return false
}

// Missing reports whether one of others has stated lately that it does not
// know the state in force, own, or knows another one, though it is further in
// the log.
func (c *Claims) Missing(own State, others []nodeid.ID, now time.Duration) bool {
	for _, id := range others {
		n, ok := c.lately(id, now)
		if ok && n.Supports >= own.Level && n.instance > own.Version && n.State != own {
			return true
		}
	}
	return false
}

// Forget drops the announcements of nodes that are not among others.
func (c *Claims) Forget(others []nodeid.ID) {
	kept := c.all[:0]
	for _, n := range c.all {
		for _, id := range others {
			if id == n.node {
				kept = append(kept, n)
				break
			}
		}
	}
	c.all = kept
}

func (c *Claims) lately(node nodeid.ID, now time.Duration) (said, bool) {
	for _, n := range c.all {
		if n.node == node && now-n.at < claimLife {
			return n.said, true
		}
	}
	return said{}, false
}
