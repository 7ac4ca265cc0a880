package phxpaxos

import (
	"context"
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// NowInstanceID returns the instance that the group decides next; all below
// it are executed here. Right after a start it may be one that the other
// nodes have decided already. It does not block.
func (n *Node) NowInstanceID(groupIndex int) (uint64, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return 0, err
	}
	return l.instance.Load(), nil
}

// MinChosenInstanceID returns the lowest instance that the log keeps. It does
// not block.
func (n *Node) MinChosenInstanceID(groupIndex int) (uint64, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return 0, err
	}
	return l.minChosen.Load(), nil
}

// GetInstanceValue returns what was chosen in an instance, read from this
// node's log: one entry, or those of a batch in their order. The values are
// the caller's.
//
// The error matches ErrNotChosenYet for an instance that this node does not
// know to be decided, ErrNotExist for one that was trimmed, ErrStorage if
// the log cannot be read or is damaged, and ErrGroup, ErrGroupFailed or
// ErrClosed. It blocks on the disk, and until the record of an instance that
// was just decided is written, or ctx ends (ErrTimeout).
func (n *Node) GetInstanceValue(ctx context.Context, groupIndex int, instance uint64) ([]Entry, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return nil, err
	}
	if err := l.failure(); err != nil {
		return nil, err
	}
	if now := l.instance.Load(); instance >= now {
		return nil, fmt.Errorf("%w: %d, group %d decides %d next", ErrNotChosenYet, instance, groupIndex, now)
	}
	if instance < l.minChosen.Load() {
		return nil, notExist(groupIndex, instance)
	}
	// What is on disk above readable may be a vote for another value, which
	// is replaced by the chosen one later.
	if err := l.waitReadable(ctx, instance); err != nil {
		return nil, err
	}
	data, err := n.store.Read(groupIndex, instance, nil)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, notExist(groupIndex, instance)
	}
	if err != nil {
		if closed := l.failure(); closed != nil {
			return nil, closed
		}
		return nil, fmt.Errorf("%w: group %d, instance %d: %w", ErrStorage, groupIndex, instance, err)
	}
	entries, err := decodeEntries(data, instance)
	if err != nil {
		return nil, fmt.Errorf("%w: group %d, instance %d: %w", ErrStorage, groupIndex, instance, err)
	}
	return entries, nil
}

func notExist(groupIndex int, instance uint64) error {
	return fmt.Errorf("%w: group %d, instance %d", ErrNotExist, groupIndex, instance)
}

// waitReadable waits until the record of an instance is final.
func (l *loop) waitReadable(ctx context.Context, instance uint64) error {
	if instance < l.readable.Load() {
		return nil
	}
	l.progress.waiters.Add(1)
	defer l.progress.waiters.Add(-1)
	for {
		changed := l.progress.next()
		if instance < l.readable.Load() {
			return nil
		}
		select {
		case <-changed:
		case <-l.ended:
			return l.failure()
		case <-ctx.Done():
			return fmt.Errorf("%w: the record is not written yet: %w", ErrTimeout, contextError(ctx))
		}
	}
}

// errNoValue: a record below readable always holds what was chosen.
var errNoValue = fmt.Errorf("%w: the record does not hold a value", storage.ErrDamaged)

// decodeEntries takes a record apart.
func decodeEntries(data []byte, instance uint64) ([]Entry, error) {
	var r paxos.Record
	if err := wire.DecodeRecord(data, &r); err != nil {
		return nil, err
	}
	if r.Instance != instance {
		return nil, fmt.Errorf("%w: the record is that of instance %d", storage.ErrDamaged, r.Instance)
	}
	id, body, ok := wire.SplitValue(r.Value)
	if !ok {
		return nil, errNoValue
	}
	if id != sm.Batch {
		return []Entry{{SM: id, Value: body}}, nil
	}
	parts, err := wire.DecodeBatch(body, nil)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(parts))
	for i, part := range parts {
		entries[i] = Entry{SM: part.SM, Value: part.Value}
	}
	return entries, nil
}
