package main

const (
	acceptorGo = "phxpaxos/paxos/acceptor.go"
	coreGo     = "phxpaxos/paxos/core.go"
	proposerGo = "phxpaxos/paxos/proposer.go"
	tallyGo    = "phxpaxos/paxos/tally.go"
	nodeidGo   = "phxpaxos/nodeid/nodeid.go"
	timerGo    = "phxpaxos/timer/queue.go"
	gateGo     = "phxpaxos/waitlock/gate.go"
	vfileDir   = "phxpaxos/storage/vfile/"
)

// mutations has one fault for each unit test.
var mutations = []mutation{
	{
		"Acceptor.OnPrepare_Promise", "a promise is sent before it is on disk", acceptorGo,
		"Kind: event.Promised, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq, &reply)",
		"Kind: event.Promised, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq-1, &reply)",
	},
	{
		"Acceptor.OnPrepare_Reject", "a ballot below the promise is promised", acceptorGo,
		"if m.Ballot.Less(a.promised) {\n\t\ta.c.observe(event.Event{Kind: event.PrepareRejected",
		"if false {\n\t\ta.c.observe(event.Event{Kind: event.PrepareRejected",
	},
	{
		"Acceptor.OnPrepare_PersistFail", "a failed write lets the promise go like a finished one", coreGo,
		"c.acceptor.saveFailed(seq)\n",
		"c.acceptor.saveFailed(seq)\n\tc.out.saved(seq)\n",
	},
	{
		"Acceptor.OnAccept_Pass", "a vote is sent before it is on disk", acceptorGo,
		"Kind: event.Accepted, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq, &reply)",
		"Kind: event.Accepted, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq-1, &reply)",
	},
	{
		"Acceptor.OnAccept_Reject", "a ballot below the promise gets a vote", acceptorGo,
		"if m.Ballot.Less(a.promised) {\n\t\ta.c.observe(event.Event{Kind: event.AcceptRejected",
		"if false {\n\t\ta.c.observe(event.Event{Kind: event.AcceptRejected",
	},
	{
		"Acceptor.OnAccept_PersistFail", "after a failed write the node goes on voting", coreGo,
		"c.fail(fmt.Errorf(\"%w: %w\", ErrSave, err))",
		"_ = err",
	},
	{
		"Proposer.NewValue", "a second prepare uses the first one's ballot again", proposerGo,
		"p.number = max(p.number, p.other, promised) + 1",
		"p.number = max(p.number, p.other, promised)",
	},
	{
		"Proposer.OnPrepareReply_Skip", "a promise for another ballot counts", proposerGo,
		"if m.Ballot.Number != p.number {\n\t\tp.c.observe(event.Event{Kind: event.PrepareReplyForeign",
		"if false {\n\t\tp.c.observe(event.Event{Kind: event.PrepareReplyForeign",
	},
	{
		"Proposer.OnPrepareReply_Pass", "the value reported first wins, and not that of the highest ballot", proposerGo,
		"!m.PreAccepted.IsNull() && p.highest.Less(m.PreAccepted)",
		"!m.PreAccepted.IsNull() && p.highest.IsNull()",
	},
	{
		"Proposer.OnPrepareReply_Reject", "the next ballot does not overtake the one that rejected", proposerGo,
		"p.other = max(p.other, m.RejectedBy)",
		"p.other = 0",
	},
	{
		"Proposer.OnAcceptReply_Skip", "a vote for another ballot counts", proposerGo,
		"if m.Ballot.Number != p.number {\n\t\tp.c.observe(event.Event{Kind: event.AcceptReplyForeign",
		"if false {\n\t\tp.c.observe(event.Event{Kind: event.AcceptReplyForeign",
	},
	{
		"Proposer.OnAcceptReply_Reject", "a lost accept round is not noticed", proposerGo,
		"case p.tally.lost():\n\t\tp.c.observe(event.Event{Kind: event.AcceptNotPass",
		"case false:\n\t\tp.c.observe(event.Event{Kind: event.AcceptNotPass",
	},
	{
		"Proposer.OnAcceptReply_Pass", "the promises of the prepare round are counted as votes", tallyGo,
		"t.yes, t.no, t.heard = 0, 0, 0",
		"t.no, t.heard = 0, 0",
	},
	{
		"MultiDatabase.ClearAllLog", "clearing a group does nothing", vfileDir + "clear.go",
		"g.clear()",
		"error(nil)",
	},
	{
		"MultiDatabase.PUT_GET", "every group reads the first one's log", vfileDir + "store.go",
		"return s.groups[group], nil",
		"return s.groups[0], nil",
	},
	{
		"MultiDatabase.Del", "the index still knows a dropped record", vfileDir + "drop.go",
		"append(g.ops[:0], indexOp{key: instance, gone: true})",
		"g.ops[:0]",
	},
	{
		"MultiDatabase.GetMaxInstanceID", "the highest instance stays that of the first record", vfileDir + "write.go",
		"if !g.hasMax || r.instance > g.max {",
		"if !g.hasMax {",
	},
	{
		"MultiDatabase.Set_Get_MinChosenInstanceID", "the lowest instance kept is taken for a 32-bit number", vfileDir + "read.go",
		"const minChosenBytes = 8",
		"const minChosenBytes = 4",
	},
	{
		"MultiDatabase.Set_Get_SystemVariables", "the last byte of a variable is not stored", vfileDir + "read.go",
		"g.index.set(key, value)",
		"g.index.set(key, value[:len(value)-1])",
	},
	{
		"MultiDatabase.Set_Get_MasterVariables", "the last master takes the place of the membership", vfileDir + "read.go",
		"return keyMasterVariables, nil",
		"return keySystemVariables, nil",
	},
	{
		"NodeID.IPPort2NodeID", "the octets of the address are taken in network order", nodeidGo,
		"uint64(o[0]) | uint64(o[1])<<8 | uint64(o[2])<<16 | uint64(o[3])<<24",
		"uint64(o[3]) | uint64(o[2])<<8 | uint64(o[1])<<16 | uint64(o[0])<<24",
	},
	{
		"NodeID.NodeID2IPPort", "the port is read from the wrong bytes", nodeidGo,
		"netip.AddrPortFrom(addr, uint16(id))",
		"netip.AddrPortFrom(addr, uint16(id>>16))",
	},
	{
		"Timer.AddTimer", "a timer is due a millisecond early", timerGo,
		"q.heap[0].at > now",
		"q.heap[0].at > now+time.Millisecond",
	},
	{
		"Timer.PopTimer", "of two timers for the same time the later one comes first", timerGo,
		"return e.id < o.id",
		"return e.id > o.id",
	},
	{
		"WaitLock.Lock", "the lock is not handed to the one who waits", gateGo,
		"\tg.end(w, nil)\n",
		"",
	},
	{
		"WaitLock.LockTimeout", "the caller's deadline is not looked at", gateGo,
		"\tcase <-ctx.Done():\n\t\tg.abandon(ctx, w)\n",
		"",
	},
	{
		"WaitLock.TooMuchLockWating", "one more may wait than is allowed", gateGo,
		"g.queue.len >= g.waitersMax",
		"g.queue.len > g.waitersMax",
	},
}
