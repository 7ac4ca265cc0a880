package phxpaxos

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// badOption is the error of one option: field, value and rule.
func badOption(field string, value any, rule string) error {
	return fmt.Errorf("%w: %s is %v, %s", ErrOptions, field, value, rule)
}

// Validate reports the first option that is out of its range, as an error
// that matches ErrOptions and names field, value and rule. It touches neither
// disk nor network. Run calls it.
func (o Options) Validate() error {
	checks := []func() error{
		o.validateNodes, o.validateFollowers, o.validateStorage, o.validateNumbers, o.validateTrust, o.validateMaster,
		o.Batch.validate, o.validateMachines,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) groupCount() int { return max(o.GroupCount, 1) }

func (o *Options) validateNodes() error {
	if o.MyNode == nodeid.None {
		return badOption("MyNode", "not set", "it must name this node")
	}
	if len(o.Nodes) == 0 {
		return badOption("Nodes", "empty", "it must name the members of the groups")
	}
	seen := make(map[nodeid.ID]bool, len(o.Nodes))
	for i, id := range o.Nodes {
		if id == nodeid.None {
			return badOption(fmt.Sprintf("Nodes[%d]", i), "not set", "it must name a node")
		}
		if seen[id] {
			return badOption(fmt.Sprintf("Nodes[%d]", i), id, "which is there twice")
		}
		seen[id] = true
	}
	return nil
}

func (o *Options) validateFollowers() error {
	seen := make(map[nodeid.ID]bool, len(o.Followers))
	for i, f := range o.Followers {
		name := fmt.Sprintf("Followers[%d]", i)
		switch {
		case f.Node == nodeid.None:
			return badOption(name+".Node", "not set", "it must name a node")
		case f.Follows == nodeid.None:
			return badOption(name+".Follows", "not set", "it must name a node")
		case f.Node == f.Follows:
			return badOption(name, f.Node, "a node cannot follow itself")
		case seen[f.Node]:
			return badOption(name+".Node", f.Node, "which is there twice; a node follows one other")
		}
		seen[f.Node] = true
	}
	return nil
}

func (o *Options) validateStorage() error {
	if o.LogStorage == nil && o.LogStoragePath == "" {
		return badOption("LogStoragePath", "empty", "it or LogStorage must be set")
	}
	if o.LogStorage != nil && o.LogStoragePath != "" {
		return badOption("LogStoragePath", fmt.Sprintf("%q", o.LogStoragePath), "it must be empty when LogStorage is set")
	}
	if o.LogLayout >= layouts {
		return badOption("LogLayout", o.LogLayout, "must be LayoutAuto, LayoutOriginal or LayoutShared")
	}
	if o.LogStorage != nil && o.LogLayout != LayoutAuto {
		return badOption("LogLayout", o.LogLayout, "it must be LayoutAuto when LogStorage is set")
	}
	if o.LogStorage != nil && o.LogStorage.Groups() < o.groupCount() {
		return badOption("LogStorage", fmt.Sprintf("open for %d groups", o.LogStorage.Groups()),
			fmt.Sprintf("it must have at least GroupCount = %d", o.groupCount()))
	}
	return nil
}

func (o *Options) validateNumbers() error {
	switch {
	case o.GroupCount < 0 || o.GroupCount > GroupsMax:
		return badOption("GroupCount", o.GroupCount, fmt.Sprintf("must be in 1..%d, or 0 for 1", GroupsMax))
	case o.HoldInstances != 0 && o.HoldInstances < holdMin:
		return badOption("HoldInstances", o.HoldInstances, fmt.Sprintf("must be %d or more, or 0 for %d", holdMin, holdDefault))
	case o.CheckpointBytesPerSecond != 0 && o.CheckpointBytesPerSecond != -1 && o.CheckpointBytesPerSecond < checkpointRateMin:
		return badOption("CheckpointBytesPerSecond", o.CheckpointBytesPerSecond,
			fmt.Sprintf("must be %d or more, 0 for %d, or -1 for no bound", checkpointRateMin, checkpointRate))
	case o.SyncInterval < 0:
		return badOption("SyncInterval", o.SyncInterval, "must be 0 or more")
	case o.UDPMaxSize < 0 || o.UDPMaxSize > udpBytesMax:
		return badOption("UDPMaxSize", o.UDPMaxSize, fmt.Sprintf("must be in 0..%d bytes", udpBytesMax))
	case o.ProposeTimeout < 0:
		return badOption("ProposeTimeout", o.ProposeTimeout, "must be 0 or more")
	case o.ProposeAttempts < 0:
		return badOption("ProposeAttempts", o.ProposeAttempts, "must be 0 or more")
	case o.MaxHoldThreads < 0:
		return badOption("MaxHoldThreads", o.MaxHoldThreads, "must be 0 or more")
	case o.ProposeWaitTimeThreshold < 0:
		return badOption("ProposeWaitTimeThreshold", o.ProposeWaitTimeThreshold, "must be 0 or more")
	}
	return nil
}

// validateTrust checks whom the default network believes.
func (o *Options) validateTrust() error {
	switch {
	case o.Network != nil && o.ClusterSecret.Set():
		return badOption("ClusterSecret", "set", "it must be empty when Network is set; give it to that network, as network.Config.Secret")
	case o.Network != nil && o.SourceCheck != network.SourceCount:
		return badOption("SourceCheck", o.SourceCheck, "it must not be set when Network is; give it to that network, as network.Config.SourceCheck")
	case o.SourceCheck > network.SourceOff:
		return badOption("SourceCheck", o.SourceCheck, "must be SourceCount, SourceRefuse or SourceOff")
	case o.ClusterSecret.Set() && o.UDPMaxSize != 0:
		return badOption("UDPMaxSize", o.UDPMaxSize, "it must be 0 when ClusterSecret is set, since datagrams carry no MAC")
	}
	if err := o.ClusterSecret.Validate(); err != nil {
		return fmt.Errorf("%w: ClusterSecret: %w", ErrOptions, err)
	}
	return nil
}

func (o *Options) validateMaster() error {
	seen := make(map[int]bool, len(o.MasterGroups))
	for i, g := range o.MasterGroups {
		name := fmt.Sprintf("MasterGroups[%d]", i)
		switch {
		case g < 0 || g >= o.groupCount():
			return badOption(name, g, fmt.Sprintf("must be in 0..%d", o.groupCount()-1))
		case seen[g]:
			return badOption(name, g, "which is there twice")
		}
		seen[g] = true
	}
	switch {
	case o.UseMaster && len(o.MasterGroups) > 0:
		return badOption("MasterGroups", o.MasterGroups, "it must be empty when UseMaster is set, which means all groups")
	case o.Fence && !o.UseMaster && len(o.MasterGroups) == 0:
		return badOption("Fence", o.Fence, "it needs UseMaster or MasterGroups, since only a master can propose then")
	case o.MasterLease != 0:
		return validateLease(o.MasterLease)
	}
	return nil
}

func validateLease(d time.Duration) error {
	if d < masterLeaseMin || d > masterLeaseMax {
		return badOption("MasterLease", d, fmt.Sprintf("must be in %v..%v", masterLeaseMin, masterLeaseMax))
	}
	return nil
}

func (b Batch) validate() error {
	switch {
	case b.CountMax < 0 || b.CountMax > batchCountMax:
		return badOption("Batch.CountMax", b.CountMax, fmt.Sprintf("must be in 1..%d, or 0 for %d", batchCountMax, batchCountDefault))
	case b.BytesMax < 0 || b.BytesMax > packetBytesMax:
		return badOption("Batch.BytesMax", b.BytesMax, fmt.Sprintf("must be in 1..%d bytes, or 0 for %d", packetBytesMax, batchBytesDefault))
	case b.Delay < 0:
		return badOption("Batch.Delay", b.Delay, "must be 0 or more")
	}
	return nil
}

func (o *Options) validateMachines() error {
	common, err := machineIDs("StateMachines", o.StateMachines, nil)
	if err != nil {
		return err
	}
	for _, g := range slices.Sorted(maps.Keys(o.GroupStateMachines)) {
		name := fmt.Sprintf("GroupStateMachines[%d]", g)
		if g < 0 || g >= o.groupCount() {
			return badOption(name, "set", fmt.Sprintf("the group must be in 0..%d", o.groupCount()-1))
		}
		if _, err := machineIDs(name, o.GroupStateMachines[g], common); err != nil {
			return err
		}
	}
	return nil
}

// machineIDs returns the ids of some state machines, which must be usable and
// not among those of taken.
func machineIDs(name string, machines []sm.StateMachine, taken map[sm.ID]bool) (map[sm.ID]bool, error) {
	ids := make(map[sm.ID]bool, len(machines))
	for i, m := range machines {
		field := fmt.Sprintf("%s[%d]", name, i)
		if m == nil {
			return nil, badOption(field, "nil", "must be a state machine")
		}
		id := m.ID()
		if id.Reserved() {
			return nil, badOption(field+".ID()", id, "which is reserved")
		}
		if ids[id] || taken[id] {
			return nil, badOption(field+".ID()", id, "which another state machine of the group has")
		}
		ids[id] = true
	}
	return ids, nil
}
