package feature

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrEncoding: bytes are not what Append functions of this package write.
var ErrEncoding = errors.New("malformed feature data")

// mark begins the body of a Change in the log. A proposal of a user for state
// machine 0 that begins with it is refused, so no other value does.
var mark = []byte("\x8f\x1bphx-feature\xd2\x03\x7e")

// IsMarked reports whether body, the value of state machine 0 without its
// prefix, begins as a Change does.
func IsMarked(body []byte) bool { return bytes.HasPrefix(body, mark) }

// Fields of the encodings; each is a protobuf message whose unknown fields are
// skipped, so that a later version can add some.
const (
	fieldLevel   = 1
	fieldLimit   = 2
	fieldCluster = 3
	fieldVersion = 4 // of a Change: Follows
	fieldSupport = 5 // of an Announcement
)

// AppendChange appends c as the body of a value for state machine 0.
func AppendChange(dst []byte, c Change) []byte {
	dst = append(dst, mark...)
	return appendFields(dst, c.Level, c.Limit, c.Cluster, c.Follows)
}

// DecodeChange decodes a body that IsMarked. An error matches ErrEncoding.
func DecodeChange(body []byte) (Change, error) {
	if !IsMarked(body) {
		return Change{}, fmt.Errorf("%w: a change begins otherwise", ErrEncoding)
	}
	a, err := decode(body[len(mark):])
	return Change{Level: a.State.Level, Limit: a.State.Limit, Cluster: a.State.Cluster, Follows: a.State.Version}, err
}

// AppendState appends s as it is stored.
func AppendState(dst []byte, s State) []byte {
	return appendFields(dst, s.Level, s.Limit, s.Cluster, s.Version)
}

// DecodeState decodes what AppendState wrote. An error matches ErrEncoding.
func DecodeState(data []byte) (State, error) {
	a, err := decode(data)
	return a.State, err
}

// Announcement is what a member states in its heartbeats.
type Announcement struct {
	Supports Level // the highest level that its version supports
	State    State // as it knows it
}

// AppendAnnouncement appends a.
func AppendAnnouncement(dst []byte, a Announcement) []byte {
	dst = protowire.AppendTag(dst, fieldSupport, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(a.Supports))
	return AppendState(dst, a.State)
}

// DecodeAnnouncement decodes what AppendAnnouncement wrote. An error matches
// ErrEncoding.
func DecodeAnnouncement(data []byte) (Announcement, error) { return decode(data) }

func appendFields(dst []byte, level, limit Level, cluster nodeid.Cluster, version uint64) []byte {
	dst = protowire.AppendTag(dst, fieldLevel, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(level))
	dst = protowire.AppendTag(dst, fieldLimit, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(limit))
	dst = protowire.AppendTag(dst, fieldCluster, protowire.BytesType)
	dst = protowire.AppendBytes(dst, cluster[:])
	dst = protowire.AppendTag(dst, fieldVersion, protowire.VarintType)
	return protowire.AppendVarint(dst, version)
}

func decode(data []byte) (a Announcement, err error) {
	var seen [fieldSupport + 1]bool
	for len(data) > 0 {
		number, typ, n := protowire.ConsumeField(data)
		if n < 0 {
			return Announcement{}, fmt.Errorf("%w: %w", ErrEncoding, protowire.ParseError(n))
		}
		_, _, tag := protowire.ConsumeTag(data)
		value := data[tag:n]
		data = data[n:]
		if number > fieldSupport {
			continue
		}
		if err := a.field(number, typ, value); err != nil {
			return Announcement{}, err
		}
		seen[number] = true
	}
	for _, number := range []int{fieldLevel, fieldLimit, fieldCluster, fieldVersion} {
		if !seen[number] {
			return Announcement{}, fmt.Errorf("%w: field %d is missing", ErrEncoding, number)
		}
	}
	return a, nil
}

// field takes the value of one field, which ConsumeField has checked.
func (a *Announcement) field(number protowire.Number, typ protowire.Type, value []byte) error {
	if number == fieldCluster {
		b, n := protowire.ConsumeBytes(value)
		if typ != protowire.BytesType || n < 0 || len(b) != len(a.State.Cluster) {
			return fmt.Errorf("%w: the cluster's identity does not have %d bytes", ErrEncoding, len(a.State.Cluster))
		}
		copy(a.State.Cluster[:], b)
		return nil
	}
	v, n := protowire.ConsumeVarint(value)
	if typ != protowire.VarintType || n < 0 {
		return fmt.Errorf("%w: field %d is no number", ErrEncoding, number)
	}
	if number != fieldVersion && v > uint64(NoLimit) {
		return fmt.Errorf("%w: field %d is %d, must be at most %d", ErrEncoding, number, v, NoLimit)
	}
	switch number {
	case fieldLevel:
		a.State.Level = Level(v)
	case fieldLimit:
		a.State.Limit = Level(v)
	case fieldVersion:
		a.State.Version = v
	case fieldSupport:
		a.Supports = Level(v)
	}
	return nil
}
