// Package phxpaxos keeps replicated logs: any number of groups of nodes, each
// of which agrees on one value after the other by Multi-Paxos and executes
// them in the same order on every node. It speaks the protocol of the C++
// PhxPaxos and reads and writes its files, so that a node can take the place
// of one of its. The package is promised to users.
//
// # Limits first
//
//   - A value has at most 10 485 628 bytes, 52 428 668 with LargeValueMode:
//     the original's limit less 128 bytes for the packet around it and 4 for
//     the state machine's id. A group decides one instance at a time; what
//     waits meanwhile shares the next instance.
//   - A majority of the members has to be up and reachable, or proposals
//     wait. Members are named by IPv4 address and port.
//   - The network is plain TCP (and UDP, on request), neither encrypted nor
//     authenticated: whoever reaches the port can speak. Bring a Network of
//     your own where that is not enough.
//   - A proposal that timed out may still be chosen later. Nothing can take
//     it back.
//   - What a state machine has in memory alone is executed again from the log
//     at each start. Implement sm.Checkpointer to avoid that.
//   - Options.GroupCount can grow, but not shrink, over a log that exists.
//
// # A working program
//
// A state machine gets every value of its group, in order, once on each node:
//
//	type counter struct{ total int }
//
//	func (c *counter) ID() sm.ID { return 1 }
//
//	func (c *counter) Execute(e sm.Entry) ([]byte, error) {
//		c.total += len(e.Value)
//		return []byte(strconv.Itoa(c.total)), nil
//	}
//
// A node joins the others and proposes:
//
//	var all []nodeid.ID
//	for _, addr := range []string{"10.0.0.1:11111", "10.0.0.2:11111", "10.0.0.3:11111"} {
//		id, err := nodeid.Parse(addr)
//		if err != nil {
//			return err
//		}
//		all = append(all, id)
//	}
//	node, err := phxpaxos.Run(phxpaxos.Options{
//		MyNode:         all[0],
//		Nodes:          all,
//		LogStoragePath: "/var/lib/counter", // a directory of this node's own
//		StateMachines:  []sm.StateMachine{&counter{}},
//	})
//	if err != nil {
//		return err
//	}
//	defer node.Close()
//	result, err := node.Propose(ctx, 0, 1, []byte("hello"))
//
// Propose returns when a majority has the value on disk and this node has
// executed it; result.Output is what Execute returned. Any node may propose
// at any time. The example Run of this package has three nodes in one process.
//
// # Groups
//
// A node has Options.GroupCount groups, numbered from 0, over one port and
// one log directory. Groups know nothing of each other: use many to let
// unrelated data proceed in parallel. The state machine of two groups is
// called by two goroutines at once.
//
// # Members
//
// Without Options.UseMembership the members are Options.Nodes at each start.
// With it they are kept in the log from the first proposal on, and AddMember,
// RemoveMember and ChangeMember change them one at a time while the group
// works. To replace a machine, start the new node with the present members as
// its Nodes, wait until it has caught up (compare NowInstanceID), call
// ChangeMember at any member, and stop the old node. Options.MembersChanged
// and Members tell who votes.
//
// Options.Followers are nodes that learn and never vote: they may follow a
// member or each other, and answer reads.
//
// # Master
//
// With Options.UseMaster the nodes of a group elect one of them for
// Options.MasterLease at a time. It renews its lease as long as it works. No
// two nodes hold IsMaster true at the same time; Master says who it is as far
// as a node knows. DropMaster, TransferMaster and Close hand it over within
// milliseconds; after a crash the rest of the lease has to pass.
//
// # Reads
//
// LocalRead is what this node has executed, at once, maybe long outdated.
// ReadIndex waits until this node has executed everything that was
// acknowledged before: linearizable, on any node, for one round of small
// messages that all readers share. LeaseRead is linearizable without any
// message, at the master of a group with Options.Fence, in which nobody else
// can propose. Their comments say why they are right. All three tell up to
// which instance; what is read is the state machine's own.
//
// # What can go wrong
//
// All errors are matched with errors.Is against the Err… variables, and Code
// gives the original's return code. Three of them need thought:
//
//   - ErrTimeout: the outcome is unknown, unless the error says that nothing
//     was proposed. Propose again only what may happen twice, or let the
//     state machine recognise what it has seen.
//   - ErrExecuteFailed: the value is chosen and will be executed when its
//     state machine recovers. Do not propose it again.
//   - ErrGroupFailed: the group stopped because going on would break a
//     promise: its log cannot be written or is damaged, its history differs
//     from a peer's, or it panicked. The error says which. The other groups
//     of the node, and the group on the other nodes, go on. Repair what it
//     names and start the node again.
//
// # What is going on
//
// Options.Observer gets every event, Node.Count counts them, Options.Logger
// gets the few that are worth a line. All three come from the same values.
//
// # Options of the original
//
//	original                         here
//	poLogStorage                     LogStorage
//	sLogStoragePath                  LogStoragePath; LogLayout for the original's layout
//	bSync                            NoSync, its opposite
//	iSyncInterval                    SyncInterval
//	poNetWork                        Network; closed with the node, which the original leaves to you
//	iUDPMaxSize                      UDPMaxSize, default 0 instead of 4096
//	iIOThreadCount                   none: every peer has a goroutine of its own
//	iGroupCount                      GroupCount, up to 100 000 instead of 200
//	oMyNode                          MyNode
//	vecNodeInfoList                  Nodes
//	bUseMembership                   UseMembership
//	pMembershipChangeCallback        MembersChanged, on a goroutine of its own
//	pMasterChangeCallback            MasterChanged, on the same
//	vecGroupSMInfoList               StateMachines, GroupStateMachines
//	bIsUseMaster                     UseMaster, MasterGroups
//	SetMasterLease                   MasterLease, SetMasterLease; refuses less than a second
//	DropMaster                       DropMaster, at once instead of by silence; TransferMaster
//	ShowMembership                   Members
//	poBreakpoint                     Observer
//	bIsLargeValueMode                LargeValueMode, of the node instead of the process
//	vecFollowerNodeInfoList          Followers
//	pLogFunc, eLogLevel              Logger
//	bUseBatchPropose                 none: proposals that wait share an instance; see Batch
//	bOpenChangeValueBeforePropose    ChangeValueBeforePropose
//	3 attempts                       ProposeAttempts, until the context ends by default
//	SetTimeoutMs                     ProposeTimeout, SetTimeout; a timeout below 200 ms works
//	SetMaxHoldThreads                MaxHoldThreads, SetMaxHoldThreads; 0 instead of -1
//	SetProposeWaitTimeThresholdMS    ProposeWaitTimeThreshold, SetProposeWaitTimeThreshold
//	SetLogSync                       SetLogSync
//	SetBatchCount, SetBatchDelay…    SetBatch
package phxpaxos
