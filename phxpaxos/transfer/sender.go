package transfer

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// BlockBytes is how much of a file goes into one message, as in the original.
const BlockBytes = 1 << 20

// ErrSnapshot: a state machine did not give a snapshot that can be sent.
var ErrSnapshot = errors.New("state machine gives no snapshot")

// Part is the snapshot of one state machine.
type Part struct {
	SM       sm.ID
	Snapshot sm.Snapshot
}

// Order says what is to be sent, and what all of its messages have in common.
type Order struct {
	Group    int
	From     nodeid.ID
	Header   wire.Header // of the packets
	UUID     uint64      // of the transfer
	Machines []sm.StateMachine
	Instance uint64 // of the checkpoint; the slowest of the machines may lower it
	Ledger   []byte // which machines had entries where, see package ledger; may be empty
	Block    int    // bytes of a file in one message; 0 means BlockBytes
}

// Sender makes the messages of one transfer, one after the other: a begin,
// the blocks of all files, an end. The original sends the begin twice; once
// is enough for every receiver.
type Sender struct {
	fs    storage.FS
	order Order
	parts []Part
	files []sourceFile

	ledger   ledger.Ledger
	instance uint64
	total    int64
	sequence uint64 // of the next message
	at       int    // file that is being read
	offset   int64
	open     storage.File
	ended    bool
}

type sourceFile struct {
	part int
	name string
	size int64
}

// Open takes the snapshots of all state machines. Close has to follow. Errors
// match ErrSnapshot or are the file system's.
func Open(fs storage.FS, order Order) (*Sender, error) {
	if order.Block == 0 {
		order.Block = BlockBytes
	}
	s := &Sender{fs: fs, order: order, instance: order.Instance}
	if len(order.Ledger) > 0 {
		var err error
		if s.ledger, err = ledger.Decode(order.Ledger); err != nil {
			return nil, err
		}
	}
	for i, m := range order.Machines {
		if err := s.take(i, m); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Sender) take(i int, m sm.StateMachine) error {
	snapshotter, ok := m.(sm.Snapshotter)
	if !ok {
		return fmt.Errorf("%w: %d in group %d is no Snapshotter", ErrSnapshot, m.ID(), s.order.Group)
	}
	snapshot, err := snapshotter.Snapshot(s.order.Group)
	if err != nil {
		return fmt.Errorf("%w: %d in group %d: %w", ErrSnapshot, m.ID(), s.order.Group, err)
	}
	s.parts = append(s.parts, Part{m.ID(), snapshot})
	switch {
	case snapshot.Instance == sm.NoCheckpoint:
		return fmt.Errorf("%w: %d in group %d has no checkpoint yet", ErrSnapshot, m.ID(), s.order.Group)
	case len(snapshot.Files) == 0:
		// A receiver could not tell it from a state machine that is missing.
		return fmt.Errorf("%w: %d in group %d names no files, at least one is needed", ErrSnapshot, m.ID(), s.order.Group)
	}
	// The one that is behind decides where its receiver goes on (hazard H4),
	// where one without later entries is behind nothing.
	s.instance = min(s.instance, s.ledger.Reach(m.ID(), snapshot.Instance+1)-1)
	return s.list(i, &snapshot)
}

func (s *Sender) list(part int, snapshot *sm.Snapshot) error {
	for _, name := range snapshot.Files {
		clean, err := Name(name)
		if err != nil {
			return err
		}
		full := path.Join(snapshot.Dir, clean)
		if err := regular(s.fs, full); err != nil {
			return err
		}
		entry, err := s.fs.Stat(full)
		if err != nil {
			return err
		}
		if entry.Dir {
			return fmt.Errorf("%w: %s is a directory", ErrSnapshot, full)
		}
		s.files = append(s.files, sourceFile{part, clean, entry.Size})
		s.total += entry.Size
	}
	return nil
}

// regular refuses links, pipes and devices, where the file system can tell.
func regular(fs storage.FS, name string) error {
	f, ok := fs.(interface {
		Regular(name string) (bool, error)
	})
	if !ok {
		return nil
	}
	is, err := f.Regular(name)
	if err == nil && !is {
		err = fmt.Errorf("%w: %s is not a regular file", ErrSnapshot, name)
	}
	return err
}

// Instance is the highest instance that all snapshots include.
func (s *Sender) Instance() uint64 { return s.instance }

// Total is how many bytes all files have together.
func (s *Sender) Total() int64 { return s.total }

// Sequence is that of the message that Next makes next.
func (s *Sender) Sequence() uint64 { return s.sequence }

// Next returns the next message as a packet, and how many bytes of files it
// carries. After the end it returns io.EOF.
func (s *Sender) Next() (packet []byte, size int, err error) {
	c := wire.Checkpoint{
		Kind: wire.CheckpointFile, From: s.order.From, UUID: s.order.UUID, Sequence: s.sequence, Instance: s.instance,
	}
	switch {
	case s.ended:
		return nil, 0, io.EOF
	case s.sequence == 0:
		c.Flag, c.Ledger = wire.CheckpointBegin, s.order.Ledger
		if s.order.Header.CRC { // else the packets are to be the original's
			c.Total = uint64(s.total)
		}
	case s.at == len(s.files):
		c.Flag = wire.CheckpointEnd
		s.ended = true
	default:
		c.Flag = wire.CheckpointBlock
		if err := s.block(&c); err != nil {
			return nil, 0, err
		}
	}
	s.sequence++
	return wire.AppendCheckpoint(nil, s.order.Header, &c), len(c.Data), nil
}

// block reads the next block. An empty file makes one, too, so that it exists
// at the receiver; the original leaves such files out.
func (s *Sender) block(c *wire.Checkpoint) error {
	f := &s.files[s.at]
	p := &s.parts[f.part]
	if s.open == nil {
		var err error
		if s.open, err = s.fs.Open(path.Join(p.Snapshot.Dir, f.name), storage.ReadOnly); err != nil {
			return err
		}
	}
	data := make([]byte, min(int64(s.order.Block), f.size-s.offset))
	if n, err := s.open.ReadAt(data, s.offset); n < len(data) {
		return fmt.Errorf("%w: %d in group %d: %s has changed: %w", ErrSnapshot, p.SM, s.order.Group, f.name, err)
	}
	c.Instance, c.Path, c.SM, c.Offset, c.Data = p.Snapshot.Instance, f.name, p.SM, uint64(s.offset), data
	c.Checksum = checksum.Sampled(0, data, checksum.ValueStride)
	if s.offset += int64(len(data)); s.offset < f.size {
		return nil
	}
	s.at, s.offset = s.at+1, 0
	err := s.open.Close()
	s.open = nil
	return err
}

// Close releases the snapshots. Only the first call has an effect.
func (s *Sender) Close() error {
	var err error
	if s.open != nil {
		err = s.open.Close()
		s.open = nil
	}
	for _, p := range s.parts {
		if p.Snapshot.Release != nil {
			p.Snapshot.Release()
		}
	}
	s.parts, s.ended = nil, true
	return err
}
