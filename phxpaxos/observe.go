package phxpaxos

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/hostlimit"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// stripes is over how many sets of counters the groups are spread, so that
// two of them rarely write to the same cache line. A set is 1 KiB.
const stripes = 16

type counters [event.Kinds]atomic.Uint64

// observer is where all events of a node come together: it counts them, logs
// those that are worth a line and passes all of them on. All methods are safe
// for concurrent use.
type observer struct {
	counts [stripes]counters
	next   event.Observer // the user's, or nil
	lines  lines
}

func newObserver(next event.Observer, logger *slog.Logger) *observer {
	return &observer{next: next, lines: lines{logger: logger, start: time.Now()}}
}

// Observe implements event.Observer.
func (o *observer) Observe(e event.Event) { o.observe(&e) }

// observe copies the event only for who wants it: there are dozens for each
// instance, and most are but counted.
func (o *observer) observe(e *event.Event) {
	if int(e.Kind) >= event.Kinds {
		return
	}
	o.counts[uint(e.Group+1)%stripes][e.Kind].Add(1)
	if o.lines.logger != nil && lineOf[e.Kind].text != "" {
		o.lines.event(*e)
	}
	if o.next != nil {
		o.next.Observe(*e)
	}
}

// count is how many events of a kind there were.
func (o *observer) count(kind event.Kind) uint64 {
	if int(kind) >= event.Kinds {
		return 0
	}
	var n uint64
	for i := range o.counts {
		n += o.counts[i][kind].Load()
	}
	return n
}

// panicked logs a panic that was recovered, with the stack of the goroutine,
// and returns it as an error. Only a deferred function may call it.
func (o *observer) panicked(where string, value any) error {
	err, ok := value.(error)
	if ok {
		err = fmt.Errorf("%s panicked: %w", where, err)
	} else {
		err = fmt.Errorf("%s panicked: %v", where, value)
	}
	if o.lines.logger != nil {
		o.lines.logger.Error(where+" panicked", "value", value, "stack", string(debug.Stack()))
	}
	return err
}

// Count returns how many events of a kind there were since the node started.
// It does not block and is safe for concurrent use.
func (n *Node) Count(kind event.Kind) uint64 { return n.observer.count(kind) }

// linesMax is how many lines a second one kind of event gets: enough to see
// what goes on, too few to fill a disk.
const linesMax = 10

// lines writes events to a logger, as often as the rate of their kind allows.
type lines struct {
	logger  *slog.Logger
	start   time.Time
	limiter [event.Kinds]limiter                      // of kinds with perSecond
	sources [event.Kinds]hostlimit.Limiter[nodeid.ID] // of kinds with perSource
}

// rate is how many lines a kind of event gets.
type rate uint8

const (
	perSecond rate = iota // linesMax a second
	perSource             // one a minute for each peer, which causes the event as often as it likes
	unlimited             // it happens once
)

// limiter counts the lines of one kind in the running second. Two goroutines
// at a second's turn may let a line too many through, which does no harm.
type limiter struct {
	second  atomic.Int64
	written atomic.Int64
	dropped atomic.Int64
}

// allow reports whether there may be a line at a time, and how many were
// dropped since the last.
func (l *limiter) allow(now time.Duration) (ok bool, dropped int64) {
	second := int64(now/time.Second) + 1
	if last := l.second.Load(); last != second && l.second.CompareAndSwap(last, second) {
		l.written.Store(0)
	}
	if l.written.Add(1) > linesMax {
		l.dropped.Add(1)
		return false, 0
	}
	return true, l.dropped.Swap(0)
}

// event writes the line of an event whose kind has one.
func (l *lines) event(e event.Event) {
	line := &lineOf[e.Kind]
	if !l.logger.Enabled(context.Background(), line.level) {
		return
	}
	ok, dropped := l.allow(line.rate, e)
	if !ok {
		return
	}
	l.logger.LogAttrs(context.Background(), line.level, line.text, attributes(e, dropped)...)
}

// allow reports whether an event gets a line, and how many like it got none
// since the last.
func (l *lines) allow(r rate, e event.Event) (ok bool, dropped int64) {
	switch r {
	case perSecond:
		return l.limiter[e.Kind].allow(time.Since(l.start))
	case perSource:
		suppressed, ok := l.sources[e.Kind].Allow(e.Peer, time.Now())
		return ok, int64(suppressed)
	default:
		return true, 0
	}
}

// attributes are the fields of an event that are set.
func attributes(e event.Event, dropped int64) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 9), slog.String("event", e.Kind.String()))
	if e.Group >= 0 {
		attrs = append(attrs, slog.Int("group", e.Group))
	}
	if e.Instance != 0 {
		attrs = append(attrs, slog.Uint64("instance", e.Instance))
	}
	if e.Peer != 0 {
		attrs = append(attrs, slog.String("peer", e.Peer.String()))
	}
	if e.Number != 0 {
		attrs = append(attrs, slog.Uint64("number", e.Number))
	}
	if e.Size != 0 {
		attrs = append(attrs, slog.Int("size", e.Size))
	}
	if e.Took != 0 {
		attrs = append(attrs, slog.Duration("took", e.Took))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int64("notLogged", dropped))
	}
	return attrs
}

// lineOf says which kinds of events get a line. What the caller of Propose is
// told as an error is not among them: it is returned or logged, never both.
var lineOf = [event.Kinds]struct {
	level slog.Level
	text  string
	rate  rate
}{
	event.GroupFailed:        {slog.LevelError, "group has stopped", unlimited},
	event.ChecksumMismatch:   {slog.LevelError, "history differs from a peer's", unlimited},
	event.ValueDiffers:       {slog.LevelError, "value does not match its hash and is dropped", perSecond},
	event.HistoryDiffers:     {slog.LevelError, "history differs from a peer's, the members are compared", perSecond},
	event.HistoryCompared:    {slog.LevelWarn, "histories were compared, this node goes on", perSecond},
	event.ExecuteFailed:      {slog.LevelError, "state machine cannot execute", perSecond},
	event.PromiseSaveFailed:  {slog.LevelError, "promise is not on disk", perSecond},
	event.AcceptSaveFailed:   {slog.LevelError, "vote is not on disk", perSecond},
	event.IndexReadFail:      {slog.LevelError, "index cannot be read", perSecond},
	event.IndexWriteFail:     {slog.LevelError, "index cannot be written", perSecond},
	event.RecordReadFail:     {slog.LevelError, "record cannot be read", perSecond},
	event.RecordWriteFail:    {slog.LevelError, "record cannot be written", perSecond},
	event.RecordDamaged:      {slog.LevelError, "record is damaged", perSecond},
	event.AppendFail:         {slog.LevelError, "append to the log failed", perSecond},
	event.CheckpointLoadFail: {slog.LevelError, "checkpoint cannot be loaded", perSecond},

	event.NetError:             {slog.LevelWarn, "connection failed", perSecond},
	event.NetQueueFull:         {slog.LevelWarn, "queue to a peer is full, packets are dropped", perSecond},
	event.NetUDPQueueFull:      {slog.LevelWarn, "datagram queue is full, packets are dropped", perSecond},
	event.NetTooLarge:          {slog.LevelWarn, "packet is too large and dropped", perSecond},
	event.NetTCPShort:          {slog.LevelWarn, "connection sent a broken frame", perSecond},
	event.EnqueueReject:        {slog.LevelWarn, "mailbox of the group is full, or too much waits for the disk; packets are dropped", perSecond},
	event.PacketMalformed:      {slog.LevelWarn, "packet does not parse", perSecond},
	event.PacketHeaderTooLong:  {slog.LevelWarn, "packet's header is longer than the packet", perSecond},
	event.PacketChecksum:       {slog.LevelWarn, "packet's checksum does not match", perSecond},
	event.PacketCRC:            {slog.LevelWarn, "packet's CRC does not match", perSecond},
	event.PacketForeignCluster: {slog.LevelWarn, "packet of another cluster, or of one that this node, which has no log, cannot join since no majority of its list states it; if it is meant to, start it with the present members as its nodes", perSource},
	event.PacketShort:          {slog.LevelWarn, "packet is too short", perSecond},
	event.PacketBadGroup:       {slog.LevelWarn, "packet for a group that is not here", perSecond},
	event.MessageNotMember:     {slog.LevelWarn, "message of a node that is not a member", perSource},
	event.MessageNotAsked:      {slog.LevelWarn, "values that this node did not ask for", perSource},
	event.MessageAbsurd:        {slog.LevelWarn, "message states an instance or a lease that cannot be", perSource},
	event.CommitGateReject:     {slog.LevelWarn, "too many callers wait, some are refused", perSecond},
	event.CheckpointNeeded:     {slog.LevelWarn, "the log of the others begins too late, a checkpoint is needed", perSecond},

	event.CheckpointRefused:     {slog.LevelWarn, "message of a checkpoint transfer does not fit", perSecond},
	event.CheckpointReplay:      {slog.LevelWarn, "checkpoint replayer failed and tries again", perSecond},
	event.CheckpointStream:      {slog.LevelInfo, "checkpoint comes in", perSecond},
	event.MemberWithoutFeatures: {slog.LevelWarn, "a member does not state the identity of the cluster: it is an original node or runs an older version; no feature that it lacks is used meanwhile. Before members go back on purpose, limit the feature level to 0", perSource},
	event.FeatureLevel:          {slog.LevelInfo, "feature level in force", perSecond},
	event.ClusterAdopted:        {slog.LevelInfo, "this node took the cluster's identity from a majority of its list", perSecond},
	event.Voting:                {slog.LevelInfo, "this node votes from now on", perSecond},
	event.CatchUp:               {slog.LevelInfo, "catching up", perSecond},
	event.Clean:                 {slog.LevelDebug, "log was cleaned", perSecond},
	event.CheckpointBegin:       {slog.LevelInfo, "checkpoint transfer began", perSecond},
	event.CheckpointEnd:         {slog.LevelInfo, "checkpoint transfer ended", perSecond},
	event.CheckpointReceived:    {slog.LevelInfo, "checkpoint received", perSecond},
	event.CheckpointLoaded:      {slog.LevelInfo, "checkpoint loaded", perSecond},
	event.MasterSelf:            {slog.LevelInfo, "this node is master", perSecond},
	event.MasterOther:           {slog.LevelInfo, "another node is master", perSecond},
	event.MasterDrop:            {slog.LevelInfo, "mastership given up", perSecond},
	event.Replay:                {slog.LevelInfo, "log is replayed", perSecond},
	event.RewindBegin:           {slog.LevelWarn, "state machine fell back, the group waits until it has everything again", perSecond},
	event.RewindEnd:             {slog.LevelInfo, "state machine has everything again", perSecond},
}
