package phxpaxos

import "time"

// The setters change what Options has set, while the node runs. Each returns
// an error that matches ErrOptions or ErrGroup, or why the group has stopped,
// and does not block. What is proposed after it returns falls under the new
// setting.

// SetTimeout changes Options.ProposeTimeout, for all groups.
func (n *Node) SetTimeout(d time.Duration) error {
	if d < 0 {
		return badOption("ProposeTimeout", d, "must be 0 or more")
	}
	n.timeout.Store(int64(d))
	return nil
}

// SetMaxHoldThreads changes Options.MaxHoldThreads of a group. Callers that
// wait already stay.
func (n *Node) SetMaxHoldThreads(groupIndex, count int) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	if count < 0 {
		return badOption("MaxHoldThreads", count, "must be 0 or more")
	}
	l.gate.SetWaitersMax(count)
	return l.failure()
}

// SetProposeWaitTimeThreshold changes Options.ProposeWaitTimeThreshold of a
// group.
func (n *Node) SetProposeWaitTimeThreshold(groupIndex int, d time.Duration) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	if d < 0 {
		return badOption("ProposeWaitTimeThreshold", d, "must be 0 or more")
	}
	l.gate.SetWaitThreshold(d)
	return l.failure()
}

// SetMasterLease changes Options.MasterLease of a group, from this node's next
// bid on.
func (n *Node) SetMasterLease(groupIndex int, d time.Duration) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	if err := validateLease(d); err != nil {
		return err
	}
	return l.post(func(m machine) {
		if m != nil {
			m.SetMasterLease(d)
		}
	})
}

// SetLogSync changes Options.NoSync (sync is its opposite) and
// Options.SyncInterval of a group.
func (n *Node) SetLogSync(groupIndex int, sync bool, interval int) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	if interval < 0 {
		return badOption("SyncInterval", interval, "must be 0 or more")
	}
	return l.post(func(m machine) {
		if m != nil {
			m.SetSync(sync, interval)
		}
	})
}

// SetBatch changes Options.Batch of a group. Fields that are zero take their
// defaults. How many proposals a group works on at once, see
// Options.MaxHoldThreads, stays as it was at the start.
func (n *Node) SetBatch(groupIndex int, b Batch) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	if err := b.validate(); err != nil {
		return err
	}
	b = b.withDefaults()
	return l.post(func(m machine) {
		if m != nil {
			m.SetBatch(b.CountMax, b.BytesMax, b.Delay)
		}
	})
}
