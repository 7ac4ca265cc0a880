// Package identity says whose a log directory is. It may change between
// versions; the bytes on disk may not. docs/identity.md is for operators.
//
// # Files
//
// Each is a file of package smallfile. Original nodes and tools open nothing
// in a log directory but g0, g1 … and in these nothing that they do not know.
//
//	phxpaxos_identity        kind "identity", format 1: the Identity
//	phxpaxos_lock            empty; a node locks it before it looks at anything else
//	g<i>/phxpaxos_stamp      kind "stamp", format 1: the directory id and i (original's layout)
//	shared/phxpaxos_stamp    the same, with 4294967295 for i (shared log)
//
// # Order of a start
//
// A node locks the directory, reads identity and stamps, and decides with
// Check and CheckStamps, which change nothing. Only then does it open the log,
// which may cut off a torn tail or rebuild an index. Then it writes the stamps
// that are missing, and last the identity with the new incarnation. After a
// crash between any two of these steps the next start finds a log without an
// identity, which it adopts, or stamps of groups that are not recorded yet.
//
// So a recorded place without a stamp has lost its log. There the identity is
// written first, since a stamp would say that the log is the one it was.
package identity

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// Names of the files; see the package's comment.
const (
	FileName  = "phxpaxos_identity"
	LockName  = "phxpaxos_lock"
	StampName = "phxpaxos_stamp"
)

const (
	kind        = "identity"
	format      = 1
	fixedBytes  = 8 + 16 + 4 + 8 + 8 + 1
	layoutBytes = 32 // of the longest name of a layout
)

// Identity is what a log directory says of itself. It is a value.
type Identity struct {
	Node        nodeid.ID      // the node that writes the log
	Cluster     nodeid.Cluster // all zeros: not known yet
	Groups      int            // the highest GroupCount that the log was opened with
	Layout      string         // "original", "shared", or "own" for a log storage of the program
	Directory   uint64         // drawn at random when the directory was recorded first
	Incarnation uint64         // grows with each start; 1 at the first
}

// String names everything, for errors and reports.
func (id Identity) String() string {
	return fmt.Sprintf("node %v, cluster %s, %d groups, %s layout, directory %016x, incarnation %d",
		id.Node, id.Cluster, id.Groups, id.Layout, id.Directory, id.Incarnation)
}

// Encode returns the bytes of the identity file. They check themselves, so a
// storage.IdentityKeeper can keep them anywhere.
func (id Identity) Encode() []byte { return smallfile.Encode(kind, format, id.payload()) }

// Decode reverses Encode. Errors match storage.ErrDamaged or
// storage.ErrNewerFormat.
func Decode(b []byte) (Identity, error) {
	_, payload, err := smallfile.Decode(b, kind, format)
	if err != nil {
		return Identity{}, err
	}
	return parse(payload)
}

// payload is, little-endian: the node, 8 bytes; the cluster, 16; the groups,
// 4; the directory, 8; the incarnation, 8; the length of the layout's name, 1;
// and that name.
func (id Identity) payload() []byte {
	le := binary.LittleEndian
	b := le.AppendUint64(make([]byte, 0, fixedBytes+len(id.Layout)), uint64(id.Node))
	b = append(b, id.Cluster[:]...)
	b = le.AppendUint32(b, uint32(id.Groups))
	b = le.AppendUint64(b, id.Directory)
	b = le.AppendUint64(b, id.Incarnation)
	b = append(b, byte(len(id.Layout)))
	return append(b, id.Layout...)
}

func parse(b []byte) (Identity, error) {
	le := binary.LittleEndian
	if len(b) < fixedBytes || len(b) != fixedBytes+int(b[fixedBytes-1]) || b[fixedBytes-1] > layoutBytes {
		return Identity{}, fmt.Errorf("an identity of %d bytes: %w", len(b), storage.ErrDamaged)
	}
	id := Identity{
		Node: nodeid.ID(le.Uint64(b)), Groups: int(le.Uint32(b[24:])),
		Directory: le.Uint64(b[28:]), Incarnation: le.Uint64(b[36:]), Layout: string(b[fixedBytes:]),
	}
	copy(id.Cluster[:], b[8:])
	return id, nil
}

// Stamp is what the directory of one log says, of a group or of all.
type Stamp struct {
	Directory uint64
	Place     uint32 // index of the group, or SharedPlace
}

// SharedPlace is the place of the shared log.
const SharedPlace = 1<<32 - 1

const (
	stampKind   = "stamp"
	stampFormat = 1
	stampBytes  = 12
)

// String names the place and the directory.
func (s Stamp) String() string {
	if s.Place == SharedPlace {
		return fmt.Sprintf("the shared log of directory %016x", s.Directory)
	}
	return fmt.Sprintf("group %d of directory %016x", s.Place, s.Directory)
}

func (s Stamp) payload() []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, s.Directory), s.Place)
}

func parseStamp(b []byte) (Stamp, error) {
	if len(b) != stampBytes {
		return Stamp{}, fmt.Errorf("a stamp of %d bytes: %w", len(b), storage.ErrDamaged)
	}
	return Stamp{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}, nil
}

// Places are where the logs of a layout lie below the directory, in the order
// of their groups. It is empty for a layout that package identity does not
// know.
func Places(layout string, groups int) []string {
	switch layout {
	case "shared":
		return []string{"shared"}
	case "original":
		all := make([]string, groups)
		for i := range all {
			all[i] = fmt.Sprintf("g%d", i)
		}
		return all
	}
	return nil
}

// Stamps are what the places of a layout should hold.
func Stamps(layout string, groups int, directory uint64) []Stamp {
	if layout == "shared" {
		return []Stamp{{directory, SharedPlace}}
	}
	all := slices.Repeat([]Stamp{{Directory: directory}}, groups)
	for i := range all {
		all[i].Place = uint32(i)
	}
	return all
}
