package main

const (
	acceptorGo = "phxpaxos/paxos/acceptor.go"
	coreGo     = "phxpaxos/paxos/core.go"
	learnerGo  = "phxpaxos/paxos/learner.go"
	proposerGo = "phxpaxos/paxos/proposer.go"
	typesGo    = "phxpaxos/paxos/types.go"
	electionGo = "phxpaxos/group/election.go"
	cleanGo    = "phxpaxos/group/clean.go"
	earlyGo    = "phxpaxos/group/early.go"
	fetchGo    = "phxpaxos/group/fetch.go"
	installGo  = "phxpaxos/group/install.go"
	newcomerGo = "phxpaxos/group/newcomer.go"
	entriesGo  = "phxpaxos/group/entries.go"
	ledgerGo   = "phxpaxos/ledger/ledger.go"
	trackerGo  = "phxpaxos/ledger/tracker.go"
	groupGo    = "phxpaxos/group/group.go"
	executeGo  = "phxpaxos/group/execute.go"
	masterGo   = "phxpaxos/group/master.go"
	queueGo    = "phxpaxos/group/queue.go"
	readGo     = "phxpaxos/group/read.go"
	receiveGo  = "phxpaxos/group/receive.go"
	sendersGo  = "phxpaxos/group/senders.go"
	rewindGo   = "phxpaxos/group/rewind.go"
	recoverGo  = "phxpaxos/group/recover.go"
	systemGo   = "phxpaxos/group/system.go"
	vfileDir   = "phxpaxos/storage/vfile/"
	sharedDir  = "phxpaxos/storage/sharedlog/"
	soundGo    = "phxpaxos/paxos/history.go"
	compareGo  = "phxpaxos/group/history.go"
	verdictGo  = "phxpaxos/group/history/history.go"
)

// rare are bugs that show once in more seeds than are tried, with the test of
// package group that notices each.
var rare = map[string]string{
	"a machine with entries in no checkpoint counts as clear":       "TestIdleMachineHoldsNothing",
	"a hand-over that waited deposes whoever was elected meanwhile": "TestHandingOverDeposesNobodyElse",
	"rounds of reads have the same numbers in each life":            "TestAnswersToAFormerLifeDoNotCount",
	"a node with another history than the majority goes on":         "TestAnotherHistoryIsFound",
	"one member is a majority when histories are compared":          "TestWithoutAMajorityAllStop",
	"a node with another history is taught":                         "TestAnotherHistoryIsNotTaught",
	"a record whose value has changed is taught":                    "TestChangedRecordIsNotTaught",
}

// mutants are bugs that a person could make.
var mutants = []mutant{
	{"a vote is sent before it is on disk", []edit{{acceptorGo,
		"Kind: event.Accepted, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq, &reply)",
		"Kind: event.Accepted, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})\n\ta.c.out.sendAfter(seq-1, &reply)"}}},
	{"a promise is not written", []edit{{acceptorGo,
		"a.promised = m.Ballot\n\tseq := a.persist(Prepare)",
		"a.promised = m.Ballot\n\tseq := a.c.out.seq"}}},
	{"n/2 nodes are a quorum", []edit{{typesGo, "return len(m)/2 + 1 }", "return max(1, len(m)/2) }"}}},
	{"a proposer takes the first value that it hears of, not that of the highest ballot", []edit{{proposerGo,
		"!m.PreAccepted.IsNull() && p.highest.Less(m.PreAccepted)", "!m.PreAccepted.IsNull() && p.highest.IsNull()"}}},
	{"a success is taken for whatever ballot was accepted", []edit{{learnerGo, "case a.accepted != m.Ballot:", "case false:"}}},
	{"a ballot is used again after a restart", []edit{
		{coreGo, "number: s.Promised.Number + 1}", "number: s.Promised.Number}"},
		{proposerGo, "p.used || p.number <= promised", "p.used || p.number < promised"}}},
	{"a learned value lowers the promise", []edit{
		{acceptorGo, "a.promised = maxBallot(a.promised, b)", "a.promised = b"},
		{acceptorGo, "if a.promised.Less(a.savedPromise) && ", "if false && "}}},
	{"a change of the members leaves the ballot valid", []edit{{coreGo, "if !c.cfg.Hazards.KeepBallotOnMembers {", "if false {"}}},
	{"records that are not written yet count as readable", []edit{{coreGo, "if len(c.out.unsaved) > 0 {", "if false {"}}},
	{"the last value of a batch is not executed", []edit{{executeGo,
		"for x.next < len(x.entries) {", "for x.next < max(min(1, len(x.entries)), len(x.entries)-1) {"}}},
	{"a state machine that fell back misses the first instance behind its checkpoint", []edit{{rewindGo,
		"r.has = to + 1 //", "r.has = to + 2 //"}}},
	{"what was executed of the instance under way before a state machine fell back is not given again", []edit{{rewindGo,
		"&& x.active && !r.give(g, x, x.entries, x.next)", "&& false"}}},
	{"a state machine that fell back is given records that are not on disk yet", []edit{{rewindGo,
		"if r.next >= g.Readable() || n >= rewindInstances", "if n >= rewindInstances"}}},
	{"the rest is executed before a state machine that fell back has everything again", []edit{{groupGo,
		"|| !g.exec.level() {", "{"}}},
	{"a restart executes the newest record, which may be undecided", []edit{{recoverGo,
		"for i := seen; i < s.Instance; i++ {", "for i := seen; i <= s.Instance; i++ {"}}},
	{"a change of the members by an old version counts", []edit{{systemGo, "if v.Version != s.v.Version {", "if false {"}}},
	{"the cluster id of packets is not looked at", []edit{{sendersGo,
		"gid != 0 && p.Cluster != 0 && gid != p.Cluster {", "gid != 0 && p.Cluster != 0 && false {"}}},
	{"the master's lease has no margin", []edit{{electionGo, "until: g.now + ownLease(e.lease)}", "until: g.now + e.lease}"}}},
	{"the master's lease has the original's margin, whatever the lease", []edit{{electionGo,
		"{ return lease - lease/leaseShare }", "{ return lease - 100*time.Millisecond }"}}},
	{"the master's lease begins when it is elected", []edit{{masterGo,
		"m.until = bid.until", "m.until = g.now + ownLease(g.election.lease)"}}},
	{"an election by an old version counts", []edit{
		{masterGo, "if op.Version != m.v.Version {", "if false {"},
		{queueGo, "q.dropStale(g)\n\tif", "if"}}},
	{"an election that was overtaken while it waited is repaired into the last one", []edit{{queueGo, "q.dropStale(g)\n\tif", "if"}}},
	{"a hand-over that waited deposes whoever was elected meanwhile", []edit{{electionGo,
		"if g.master.v.Master != g.cfg.Me {\n\t\tt := e.handing", "if false {\n\t\tt := e.handing"}}},
	{"nodes of a fenced group finish what the master began", []edit{
		{receiveGo, "return g.cfg.Fence && g.now < g.master.until && id != g.master.v.Master", "return false"},
		{electionGo, "return g.cfg.Fence && g.master.v.Master != g.cfg.Me && g.now < g.master.until", "return false"}}},
	{"a reader asks nobody but itself", []edit{{readGo,
		"if len(r.round.heard) < g.system.peers.Quorum() {", "if len(r.round.heard) < 1 {"}}},
	{"rounds of reads have the same numbers in each life", []edit{{readGo,
		"r.number = nonce(chance)", "_ = chance"}}},
	{"who answers a reader keeps quiet about its vote", []edit{{readGo,
		"!accepted.IsNull() || g.core.Chosen() != nil {", "false && !accepted.IsNull() {"}}},
	{"the log is cleaned behind the most advanced state machine", []edit{{cleanGo, "begin = min(begin, from)", "begin = min(begin, to)"}}},
	{"a machine that lacks its last entry is taken for whole", []edit{{ledgerGo,
		"if m := l.of(id); have >= m.Next {", "if m := l.of(id); true {"}}},
	{"a machine with entries in no checkpoint counts as clear", []edit{
		{trackerGo, "if k < 0 || machines[k].Next >= next {", "if true {"},
		{trackerGo, "m.Next, m.Clear = next, at", "m.Clear = at"}}},
	{"entries of batches are not noted", []edit{{entriesGo, "for i := range list {", "for i := range min(1, len(list)) {"}}},
	{"entries that a start replays are not noted", []edit{{recoverGo, "g.entries.note(g.exec.entries, instance)", ""}}},
	{"the log is trimmed by a ledger that is not on disk", []edit{{cleanGo,
		"limit := g.limit(&g.entries.stored)", "limit := g.limit(now)"}}},
	{"a checkpoint leaves a state as it is that was executed and is not durable", []edit{
		{installGo, "have := lacks(m, g.cfg.Index)\n", "have := max(lacks(m, g.cfg.Index), at)\n"},
		{installGo, "if l.Reach(p.SM, lacks(m, g.cfg.Index)) >= next {", "if l.Reach(p.SM, max(lacks(m, g.cfg.Index), g.core.Instance())) >= next {"}}},
	{"a checkpoint is taken in without a ledger on disk", []edit{{installGo, "if err := g.storeLedger(); err != nil {", "if err := error(nil); err != nil {"}}},
	{"the log is trimmed up to records that are not synced", []edit{{cleanGo, "if !g.cfg.NoSync && limit > c.synced {", "if false {"}}},
	{"a checkpoint makes the promise forgotten", []edit{{coreGo,
		"save = c.acceptor.save(!c.acceptor.noSync)\n\tc.retry", "c.acceptor.promised, c.acceptor.savedPromise = Ballot{}, Ballot{}\n\tsave = c.acceptor.save(!c.acceptor.noSync)\n\tc.retry"}}},
	{"a node goes on one instance too far behind a checkpoint", []edit{{installGo, "g.skipTo(next, jump, t.features)", "g.skipTo(next+1, jump, t.features)"}}},
	{"what a state machine has loaded is executed again if the next one fails to load", []edit{{installGo,
		"g.exec.covered = max(g.exec.covered, p.Snapshot.Instance+1)", "g.exec.covered = max(g.exec.covered, 0)"}}},
	{"the checksum of a block is not verified", []edit{{fetchGo, "sum != c.Checksum {", "sum != c.Checksum && false {"}}},
	{"a node that was wiped votes at once", []edit{{newcomerGo, "n.active = marked, marked || !logged", "n.active = marked, marked"}}},
	{"a node that was wiped may be forgotten to be one by a crash", []edit{{newcomerGo, "if !n.active || n.marked {", "if true || n.marked {"}}},
	{"records are written and not synced", []edit{{vfileDir + "write.go", "if st.err != nil || !st.sync {", "if st.err != nil || true {"}}},
	{"the checksum of a record is not verified when it is read", []edit{
		{vfileDir + "read.go", "crc != loc.crc {", "crc != loc.crc && false {"},
		{vfileDir + "read.go", "!e.matches(instance, buf) {", "!e.matches(instance, buf) && false {"}}},
	{"an accept that names a value is taken for whatever came early", []edit{{earlyGo,
		"k.number == m.Early && ", ""}}},
	{"a value that does not match its hash is taken", []edit{{soundGo,
		"if differ(sum, m.Sum) {", "if false {"}}},
	{"a node with another history than the majority goes on", []edit{{verdictGo,
		"own != 0 && own != hash {", "own != 0 && own != hash && false {"}}},
	{"one member is a majority when histories are compared", []edit{{compareGo,
		"Quorum: members.Quorum(), At", "Quorum: 1, At"}}},
	{"a node with another history is taught", []edit{{compareGo,
		"!unlike(m.Chain, g.chainThrough(m.Instance-1)) {", "true {"}}},
	{"a record whose value has changed is taught", []edit{{compareGo,
		"sum != r.Sum {", "sum != r.Sum && false {"}}},
	{"the shared log is written and not synced", []edit{{sharedDir + "commit.go",
		"if sync {\n\t\tif err := s.sync(); err != nil {", "if sync && false {\n\t\tif err := s.sync(); err != nil {"}}},
	{"the shared log takes what it finds for durable", []edit{{sharedDir + "recover.go",
		"rewrite(f, r.v.proven, r.v.end)", "rewrite(f, r.v.end, r.v.end)"}}},
	{"payloads of the shared log are not verified", []edit{
		{sharedDir + "read.go", "payloadSum(buf) != h.Sum {", "payloadSum(buf) != h.Sum && false {"},
		{sharedDir + "scan.go", "return data, sum == h.Sum, nil", "return data, sum == h.Sum || true, nil"}}},
}
