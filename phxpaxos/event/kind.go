package event

// Kind says what happened.
type Kind uint8

const (
	// None is no event.
	None Kind = iota

	// Proposer: a proposer drives a value.
	ProposeStart        // a proposer took a value; Size is its bytes
	ProposeSkipPrepare  // the value went straight to the accept phase
	PrepareStart        // a prepare round began; Number is the ballot's
	PrepareReply        // a prepare reply of the current instance came in
	PrepareReplyLate    // it came while no prepare was running
	PrepareReplyForeign // it answers another ballot
	PreparePass         // a majority promised; Took since the round began
	PrepareNotPass      // the round cannot get a majority any more
	AcceptStart         // an accept round began; Number is the ballot's
	AcceptReply         // an accept reply of the current instance came in
	AcceptReplyLate     // it came while no accept was running
	AcceptReplyForeign  // it answers another ballot
	AcceptPass          // a majority accepted; Took since the round began
	AcceptNotPass       // the round cannot get a majority any more
	PrepareTimeout      // a prepare round took too long
	AcceptTimeout       // an accept round took too long

	// Acceptor: an acceptor answers.
	Prepared          // a prepare came in
	Promised          // it was promised and handed to the disk
	PromiseSaveFailed // the promise did not reach the disk; nothing was replied
	PrepareRejected   // a higher ballot had been promised
	AcceptAsked       // an accept came in
	Accepted          // it was accepted and handed to the disk
	AcceptSaveFailed  // the vote did not reach the disk; nothing was replied
	AcceptRejected    // a higher ballot had been promised

	// Learner: a learner catches up, or teaches.
	LearnAsk            // the other nodes were asked what was missed
	LearnAsked          // a node asks what it missed
	LearnBusy           // no teaching session was free for it
	LearnOffer          // a node was told how far this one is
	LearnOffered        // a node tells how far it is
	LearnConfirm        // an offer was taken
	LearnConfirmed      // a node takes the offer
	LearnConfirmUnknown // a node takes an offer that was not made
	LearnSend           // a chosen value was sent
	LearnReceive        // a chosen value came in
	LearnAck            // progress was acknowledged
	LearnAcked          // a node acknowledges progress
	SuccessSend         // the other nodes were told that a value is chosen
	SuccessReceive      // a node says that its value is chosen
	SuccessNotAccepted  // nothing is accepted here
	SuccessOtherBallot  // another ballot is accepted here
	SuccessLearned      // the own accepted value is the chosen one
	TeachAckTimeout     // a learner stopped acknowledging
	TeachAckWait        // the teaching window is full
	TeachRead           // a record was read for a learner

	// Instance: one instance of a group.
	InstanceStart        // the group moved on to Instance
	MessageSend          // a message for one node was handed out
	MessageBroadcast     // a message for all was handed out
	CommitTimeout        // a proposal was not decided in its time
	PacketIn             // a packet reached the group
	PacketMalformed      // a packet does not parse
	MessageIn            // a message is handled
	MessageNotMember     // its sender is not a member
	MessageUnknown       // its type is unknown
	ReplyOtherInstance   // a reply for another instance
	RequestOtherInstance // a prepare or accept for another instance
	RequestKept          // a prepare or accept of a coming instance was kept for later
	Chosen               // Instance is decided
	ChosenOther          // with the value of somebody else
	ChosenOwn            // with the own value; Took since it was proposed
	ExecuteFailed        // a state machine reported an error
	ChecksumMismatch     // this node's history differs from a peer's; the group stops

	// Committer: a caller waits for its proposal.
	CommitStart       // Propose was called
	CommitConflict    // another value was chosen in the instance; the proposal goes on in the next one
	CommitGateTimeout // the gate stayed closed too long
	CommitGateReject  // too many callers wait
	CommitGatePass    // the gate opened; Took is the wait
	CommitOK          // the proposal was executed; Took since Propose
	CommitFail        // the proposal ended with Err
	BatchStart        // BatchPropose was called
	BatchOK           // it succeeded
	BatchFail         // it failed with Err
	BatchWait         // an entry left the queue; Took is its wait
	BatchSend         // a batch was proposed; Size is its entries

	// Loop: the goroutine of a group.
	LoopTurn      // one turn of the loop
	Enqueue       // a packet was put into the mailbox
	EnqueueReject // the mailbox was full, or too much waits for the disk, and the packet dropped
	RetryKeep     // a message is to be kept for a coming instance
	RetryDrop     // the oldest kept message was dropped
	Dequeue       // an input left the mailbox
	RetryRun      // a kept message is handled

	// Network: the network.
	NetLoop         // a reader or writer made one turn
	NetError        // a connection failed with Err
	NetAccept       // a connection was accepted
	NetQueueFull    // the queue to a peer was full and the packet dropped
	NetTCPIn        // a whole packet arrived by TCP; Size
	NetTCPShort     // a connection ended within a frame, or the frame's length is impossible
	NetReconnect    // a connection is dialled again
	NetDequeue      // a packet left the queue to a peer; Took is its wait
	NetTooLarge     // a packet over the size limit was dropped
	NetSend         // a packet is to be sent; Size
	NetSendTCP      // it goes by TCP
	NetSendUDP      // it goes by UDP
	NetNoPeer       // a packet's target has no address
	NetUDPIn        // a datagram arrived; Size
	NetUDPOut       // a datagram left; Size
	NetUDPQueueFull // the datagram queue was full

	// Storage: log storage.
	IndexNotFound   // the index has no such key
	IndexReadFail   // the index could not be read
	RecordReadFail  // a record could not be read
	RecordWriteFail // a record could not be written
	IndexWriteFail  // the index could not be written
	IndexWrite      // the index was written; Took
	AppendFail      // an append failed with Err
	Append          // records were appended; Size, Took with the sync
	RecordDamaged   // a record does not match its checksum

	// Packet: taking packets apart.
	PacketHeaderTooLong  // the header is longer than the packet
	PacketChecksum       // the checksum does not match
	PacketForeignCluster // the packet belongs to another cluster

	// Checkpoint: checkpoint transfer.
	CheckpointNeeded       // the others no longer have what this node needs
	CheckpointBlockSend    // a block was sent
	CheckpointBlockReceive // a block came in
	CheckpointBegin        // a transfer to Peer began
	CheckpointEnd          // a transfer to Peer ended
	CheckpointReceived     // all blocks are here
	CheckpointLoadFail     // a state machine refused the checkpoint
	CheckpointLoaded       // all state machines loaded it

	// Master: master election.
	MasterBid     // a bid for the mastership began
	MasterBidFail // it ended with Err
	MasterSelf    // this node is master
	MasterOther   // Peer is master
	MasterDrop    // the mastership was given up
	MasterRepair  // the master version was repaired

	// Additions: what the original does not have.
	PacketShort    // a packet is too short to be one
	PacketCRC      // the CRC-32C of a packet of ours does not match
	PacketBadGroup // a packet names a group that this node does not have
	SyncDone       // the disk goroutine made Number saves durable; Size bytes, Took
	GroupFailed    // the group stopped with Err
	ReadDrive      // a reader drives an undecided instance with an empty value
	MembersChange  // the membership changed; Number nodes vote, Instance set it
	Replay         // the log is replayed; Number instances of Size remain
	RewindBegin    // state machine Number fell back and is given the log again from Instance, Size instances
	RewindEnd      // it has what it had before; Took since it fell back
	NetRefused     // a stranger was refused; Err says why

	Clean             // records below Instance are no longer kept, Number of them; Err if that failed
	CatchUp           // this node catches up; Number instances remain, Size came in the last second
	CheckpointRefused // a transfer message that nobody asked for, or that does not fit
	CheckpointStream  // a checkpoint comes in from Peer; Number bytes are here, Size in the last second
	Voting            // this node, which began without a log, votes from now on; Took since its start
	CheckpointReplay  // the replayer failed at Instance with Err
	ValueDiffers      // a value is not the one whose hash Peer, or this node if Peer is none, stated; it was dropped
	HistoryDiffers    // the history through Instance, or the state after it, differs from Peer's; the members are compared
	HistoryCompared   // that comparison ended and this node goes on; Number members are outside the majority

	MessageNotAsked       // a value or an offer, message kind Number, that this node did not ask for
	MessageAbsurd         // a message of kind Number states an instance or a lease that cannot be
	MemberWithoutFeatures // a member shares the history but not the features; this node uses none of them meanwhile
	FeatureLevel          // the level of the features in force is Number, set at Instance
	ClusterAdopted        // this node took the identity of its cluster from its members

	// Doubtful packets: Peer is the sender, Size the bytes; Err says why, and
	// matches network.ErrRefused if the packet was dropped.
	NetSourceDiffers // a packet came from another IP address than its sender's id has
	NetMACMissing    // a packet came without a MAC
	NetMACWrong      // a MAC does not match its packet
	NetMACReplay     // a MAC's counter was used before
	NetMACStale      // a MAC is for another incarnation of this node
	NetMACMalformed  // an authentication frame does not parse
	NetMACSender     // a packet names another sender than its MAC

	kindEnd
)

// Kinds is how many kinds there are; a Kind is less than it.
const Kinds = int(kindEnd)

var kindNames = [Kinds]struct{ name, original string }{
	ProposeStart:           {"ProposeStart", "NewProposal"},
	ProposeSkipPrepare:     {"ProposeSkipPrepare", "NewProposalSkipPrepare"},
	PrepareStart:           {"PrepareStart", "Prepare"},
	PrepareReply:           {"PrepareReply", "OnPrepareReply"},
	PrepareReplyLate:       {"PrepareReplyLate", "OnPrepareReplyButNotPreparing"},
	PrepareReplyForeign:    {"PrepareReplyForeign", "OnPrepareReplyNotSameProposalIDMsg"},
	PreparePass:            {"PreparePass", "PreparePass"},
	PrepareNotPass:         {"PrepareNotPass", "PrepareNotPass"},
	AcceptStart:            {"AcceptStart", "Accept"},
	AcceptReply:            {"AcceptReply", "OnAcceptReply"},
	AcceptReplyLate:        {"AcceptReplyLate", "OnAcceptReplyButNotAccepting"},
	AcceptReplyForeign:     {"AcceptReplyForeign", "OnAcceptReplyNotSameProposalIDMsg"},
	AcceptPass:             {"AcceptPass", "AcceptPass"},
	AcceptNotPass:          {"AcceptNotPass", "AcceptNotPass"},
	PrepareTimeout:         {"PrepareTimeout", "PrepareTimeout"},
	AcceptTimeout:          {"AcceptTimeout", "AcceptTimeout"},
	Prepared:               {"Prepared", "OnPrepare"},
	Promised:               {"Promised", "OnPreparePass"},
	PromiseSaveFailed:      {"PromiseSaveFailed", "OnPreparePersistFail"},
	PrepareRejected:        {"PrepareRejected", "OnPrepareReject"},
	AcceptAsked:            {"AcceptAsked", "OnAccept"},
	Accepted:               {"Accepted", "OnAcceptPass"},
	AcceptSaveFailed:       {"AcceptSaveFailed", "OnAcceptPersistFail"},
	AcceptRejected:         {"AcceptRejected", "OnAcceptReject"},
	LearnAsk:               {"LearnAsk", "AskforLearn"},
	LearnAsked:             {"LearnAsked", "OnAskforLearn"},
	LearnBusy:              {"LearnBusy", "OnAskforLearnGetLockFail"},
	LearnOffer:             {"LearnOffer", "SendNowInstanceID"},
	LearnOffered:           {"LearnOffered", "OnSendNowInstanceID"},
	LearnConfirm:           {"LearnConfirm", "ComfirmAskForLearn"},
	LearnConfirmed:         {"LearnConfirmed", "OnComfirmAskForLearn"},
	LearnConfirmUnknown:    {"LearnConfirmUnknown", "OnComfirmAskForLearnGetLockFail"},
	LearnSend:              {"LearnSend", "SendLearnValue"},
	LearnReceive:           {"LearnReceive", "OnSendLearnValue"},
	LearnAck:               {"LearnAck", "SendLearnValue_Ack"},
	LearnAcked:             {"LearnAcked", "OnSendLearnValue_Ack"},
	SuccessSend:            {"SuccessSend", "ProposerSendSuccess"},
	SuccessReceive:         {"SuccessReceive", "OnProposerSendSuccess"},
	SuccessNotAccepted:     {"SuccessNotAccepted", "OnProposerSendSuccessNotAcceptYet"},
	SuccessOtherBallot:     {"SuccessOtherBallot", "OnProposerSendSuccessBallotNotSame"},
	SuccessLearned:         {"SuccessLearned", "OnProposerSendSuccessSuccessLearn"},
	TeachAckTimeout:        {"TeachAckTimeout", "SenderAckTimeout"},
	TeachAckWait:           {"TeachAckWait", "SenderAckDelay"},
	TeachRead:              {"TeachRead", "SenderSendOnePaxosLog"},
	InstanceStart:          {"InstanceStart", "NewInstance"},
	MessageSend:            {"MessageSend", "SendMessage"},
	MessageBroadcast:       {"MessageBroadcast", "BroadcastMessage"},
	CommitTimeout:          {"CommitTimeout", "OnNewValueCommitTimeout"},
	PacketIn:               {"PacketIn", "OnReceive"},
	PacketMalformed:        {"PacketMalformed", "OnReceiveParseError"},
	MessageIn:              {"MessageIn", "OnReceivePaxosMsg"},
	MessageNotMember:       {"MessageNotMember", "OnReceivePaxosMsgNodeIDNotValid"},
	MessageUnknown:         {"MessageUnknown", "OnReceivePaxosMsgTypeNotValid"},
	ReplyOtherInstance:     {"ReplyOtherInstance", "OnReceivePaxosProposerMsgInotsame"},
	RequestOtherInstance:   {"RequestOtherInstance", "OnReceivePaxosAcceptorMsgInotsame"},
	RequestKept:            {"RequestKept", "OnReceivePaxosAcceptorMsgAddRetry"},
	Chosen:                 {"Chosen", "OnInstanceLearned"},
	ChosenOther:            {"ChosenOther", "OnInstanceLearnedNotMyCommit"},
	ChosenOwn:              {"ChosenOwn", "OnInstanceLearnedIsMyCommit"},
	ExecuteFailed:          {"ExecuteFailed", "OnInstanceLearnedSMExecuteFail"},
	ChecksumMismatch:       {"ChecksumMismatch", "ChecksumLogicFail"},
	CommitStart:            {"CommitStart", "NewValue"},
	CommitConflict:         {"CommitConflict", "NewValueConflict"},
	CommitGateTimeout:      {"CommitGateTimeout", "NewValueGetLockTimeout"},
	CommitGateReject:       {"CommitGateReject", "NewValueGetLockReject"},
	CommitGatePass:         {"CommitGatePass", "NewValueGetLockOK"},
	CommitOK:               {"CommitOK", "NewValueCommitOK"},
	CommitFail:             {"CommitFail", "NewValueCommitFail"},
	BatchStart:             {"BatchStart", "BatchPropose"},
	BatchOK:                {"BatchOK", "BatchProposeOK"},
	BatchFail:              {"BatchFail", "BatchProposeFail"},
	BatchWait:              {"BatchWait", "BatchProposeWaitTimeMs"},
	BatchSend:              {"BatchSend", "BatchProposeDoPropose"},
	LoopTurn:               {"LoopTurn", "OneLoop"},
	Enqueue:                {"Enqueue", "EnqueueMsg"},
	EnqueueReject:          {"EnqueueReject", "EnqueueMsgRejectByFullQueue"},
	RetryKeep:              {"RetryKeep", "EnqueueRetryMsg"},
	RetryDrop:              {"RetryDrop", "EnqueueRetryMsgRejectByFullQueue"},
	Dequeue:                {"Dequeue", "OutQueueMsg"},
	RetryRun:               {"RetryRun", "DealWithRetryMsg"},
	NetLoop:                {"NetLoop", "TcpEpollLoop"},
	NetError:               {"NetError", "TcpOnError"},
	NetAccept:              {"NetAccept", "TcpAcceptFd"},
	NetQueueFull:           {"NetQueueFull", "TcpQueueFull"},
	NetTCPIn:               {"NetTCPIn", "TcpReadOneMessageOk"},
	NetTCPShort:            {"NetTCPShort", "TcpOnReadMessageLenError"},
	NetReconnect:           {"NetReconnect", "TcpReconnect"},
	NetDequeue:             {"NetDequeue", "TcpOutQueue"},
	NetTooLarge:            {"NetTooLarge", "SendRejectByTooLargeSize"},
	NetSend:                {"NetSend", "Send"},
	NetSendTCP:             {"NetSendTCP", "SendTcp"},
	NetSendUDP:             {"NetSendUDP", "SendUdp"},
	NetNoPeer:              {"NetNoPeer", "SendMessageNodeIDNotFound"},
	NetUDPIn:               {"NetUDPIn", "UDPReceive"},
	NetUDPOut:              {"NetUDPOut", "UDPRealSend"},
	NetUDPQueueFull:        {"NetUDPQueueFull", "UDPQueueFull"},
	IndexNotFound:          {"IndexNotFound", "LevelDBGetNotExist"},
	IndexReadFail:          {"IndexReadFail", "LevelDBGetFail"},
	RecordReadFail:         {"RecordReadFail", "FileIDToValueFail"},
	RecordWriteFail:        {"RecordWriteFail", "ValueToFileIDFail"},
	IndexWriteFail:         {"IndexWriteFail", "LevelDBPutFail"},
	IndexWrite:             {"IndexWrite", "LevelDBPutOK"},
	AppendFail:             {"AppendFail", "AppendDataFail"},
	Append:                 {"Append", "AppendDataOK"},
	RecordDamaged:          {"RecordDamaged", "GetFileChecksumNotEquel"},
	PacketHeaderTooLong:    {"PacketHeaderTooLong", "UnPackHeaderLenTooLong"},
	PacketChecksum:         {"PacketChecksum", "UnPackChecksumNotSame"},
	PacketForeignCluster:   {"PacketForeignCluster", "HeaderGidNotSame"},
	CheckpointNeeded:       {"CheckpointNeeded", "NeedAskforCheckpoint"},
	CheckpointBlockSend:    {"CheckpointBlockSend", "SendCheckpointOneBlock"},
	CheckpointBlockReceive: {"CheckpointBlockReceive", "OnSendCheckpointOneBlock"},
	CheckpointBegin:        {"CheckpointBegin", "SendCheckpointBegin"},
	CheckpointEnd:          {"CheckpointEnd", "SendCheckpointEnd"},
	CheckpointReceived:     {"CheckpointReceived", "ReceiveCheckpointDone"},
	CheckpointLoadFail:     {"CheckpointLoadFail", "ReceiveCheckpointAndLoadFail"},
	CheckpointLoaded:       {"CheckpointLoaded", "ReceiveCheckpointAndLoadSucc"},
	MasterBid:              {"MasterBid", "TryBeMaster"},
	MasterBidFail:          {"MasterBidFail", "TryBeMasterProposeFail"},
	MasterSelf:             {"MasterSelf", "SuccessBeMaster"},
	MasterOther:            {"MasterOther", "OtherBeMaster"},
	MasterDrop:             {"MasterDrop", "DropMaster"},
	MasterRepair:           {"MasterRepair", "MasterSMInconsistent"},
	PacketShort:            {"PacketShort", ""},
	PacketCRC:              {"PacketCRC", ""},
	PacketBadGroup:         {"PacketBadGroup", ""},
	SyncDone:               {"SyncDone", ""},
	GroupFailed:            {"GroupFailed", ""},
	ReadDrive:              {"ReadDrive", ""},
	MembersChange:          {"MembersChange", ""},
	NetRefused:             {"NetRefused", ""},
	Replay:                 {"Replay", ""},
	Clean:                  {"Clean", ""},
	CatchUp:                {"CatchUp", ""},
	CheckpointRefused:      {"CheckpointRefused", ""},
	CheckpointStream:       {"CheckpointStream", ""},
	Voting:                 {"Voting", ""},
	CheckpointReplay:       {"CheckpointReplay", ""},
	MessageNotAsked:        {"MessageNotAsked", ""},
	MessageAbsurd:          {"MessageAbsurd", ""},
	MemberWithoutFeatures:  {"MemberWithoutFeatures", ""},
	FeatureLevel:           {"FeatureLevel", ""},
	ClusterAdopted:         {"ClusterAdopted", ""},
	RewindBegin:            {"RewindBegin", ""},
	RewindEnd:              {"RewindEnd", ""},
	NetSourceDiffers:       {"NetSourceDiffers", ""},
	NetMACMissing:          {"NetMACMissing", ""},
	NetMACWrong:            {"NetMACWrong", ""},
	NetMACReplay:           {"NetMACReplay", ""},
	NetMACStale:            {"NetMACStale", ""},
	NetMACMalformed:        {"NetMACMalformed", ""},
	NetMACSender:           {"NetMACSender", ""},
	ValueDiffers:           {"ValueDiffers", ""},
	HistoryDiffers:         {"HistoryDiffers", ""},
	HistoryCompared:        {"HistoryCompared", ""},
}

// String returns the name of the constant.
func (k Kind) String() string {
	if int(k) >= Kinds || k == None {
		return "None"
	}
	return kindNames[k].name
}

// Original returns the original's name of the breakpoint, or "" for a kind
// that the original does not have.
func (k Kind) Original() string {
	if int(k) >= Kinds {
		return ""
	}
	return kindNames[k].original
}
