package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// ID names the ledger in every value.
const ID sm.ID = 4711

// State is what the ledger holds of a group.
type State struct {
	Next  uint64 // everything below this instance is included
	Count uint64 // of entries
	Chain string // hexadecimal, over all of them
}

// Ledger is the state machine. All methods are safe for concurrent use.
type Ledger struct {
	dir   string // "": nothing is durable
	every uint64 // instances between two checkpoints

	mu     sync.Mutex
	groups map[int]*State
	saved  map[int]uint64 // the durable state includes everything below
	taken  int            // snapshots
}

// Open returns the ledger whose durable state is in dir, which it creates. It
// is written after every so many instances, at least 1. With "" for dir
// nothing is durable.
func Open(dir string, every uint64) (*Ledger, error) {
	l := &Ledger{dir: dir, every: every, groups: map[int]*State{}, saved: map[int]uint64{}}
	if dir == "" {
		return l, nil
	}
	if every == 0 {
		return nil, errors.New("ledger: every is 0, must be at least 1")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "group-*.json"))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	for _, name := range files {
		var g int
		if _, err := fmt.Sscanf(filepath.Base(name), "group-%d.json", &g); err != nil {
			return nil, fmt.Errorf("ledger: unknown file %s", name)
		}
		s, err := read(name)
		if err != nil {
			return nil, err
		}
		l.groups[g], l.saved[g] = &s, s.Next
	}
	return l, nil
}

func read(name string) (s State, err error) {
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("ledger: read %s: %w", name, err)
	}
	return s, nil
}

// ID returns ID.
func (l *Ledger) ID() sm.ID { return ID }

// Execute appends an entry and returns the new count and chain.
func (l *Ledger) Execute(e sm.Entry) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.groups[e.Group]
	if s == nil {
		s = &State{}
		l.groups[e.Group] = s
	}
	old, err := hex.DecodeString(s.Chain)
	if err != nil {
		return nil, fmt.Errorf("ledger: group %d: %w", e.Group, err)
	}
	link := binary.LittleEndian.AppendUint64(old, e.Instance)
	link = binary.LittleEndian.AppendUint32(link, uint32(e.Index))
	sum := sha256.Sum256(append(link, e.Value...))
	s.Chain = hex.EncodeToString(sum[:])
	s.Count++
	result := fmt.Appendf(nil, "%d %s", s.Count, s.Chain)
	if !e.Last {
		return result, nil
	}
	s.Next = e.Instance + 1
	if l.dir != "" && s.Next >= l.saved[e.Group]+l.every {
		if err := l.save(e.Group, *s); err != nil {
			// It will be tried again at the next instance; the entry is executed.
			return result, nil
		}
	}
	return result, nil
}

// save makes a state durable.
func (l *Ledger) save(group int, s State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := replace(l.file(group), data); err != nil {
		return err
	}
	l.saved[group] = s.Next
	return nil
}

func (l *Ledger) file(group int) string {
	return filepath.Join(l.dir, fmt.Sprintf("group-%d.json", group))
}

// replace gives a file new contents, all or nothing.
func replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left to remove when all went well
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ExecuteBatch appends entries.
func (l *Ledger) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for _, e := range entries {
		result, err := l.Execute(e)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

// CheckpointInstance returns what is on disk.
func (l *Ledger) CheckpointInstance(group int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved[group] - 1 // 0 becomes NoCheckpoint
}

// Snapshot links the durable state of a group into a directory of its own.
func (l *Ledger) Snapshot(group int) (sm.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saved[group] == 0 {
		return sm.Snapshot{}, fmt.Errorf("ledger: group %d has no durable state yet", group)
	}
	l.taken++
	dir := filepath.Join(l.dir, fmt.Sprintf("snapshot-%d-%d", os.Getpid(), l.taken))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return sm.Snapshot{}, fmt.Errorf("ledger: %w", err)
	}
	// The file is never written again, only replaced.
	if err := os.Link(l.file(group), filepath.Join(dir, "state.json")); err != nil {
		return sm.Snapshot{}, errors.Join(fmt.Errorf("ledger: %w", err), os.RemoveAll(dir))
	}
	return sm.Snapshot{Instance: l.saved[group] - 1, Dir: dir, Files: []string{"state.json"},
		Release: func() { os.RemoveAll(dir) }}, nil
}

// LoadSnapshot replaces the state of a group.
func (l *Ledger) LoadSnapshot(group int, s sm.Snapshot) error {
	state, err := read(filepath.Join(s.Dir, "state.json"))
	if err != nil {
		return err
	}
	if state.Next != s.Instance+1 {
		return fmt.Errorf("ledger: the snapshot includes what is below instance %d, %d was announced", state.Next, s.Instance+1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.save(group, state); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.groups[group] = &state
	return nil
}

// State returns the state of a group.
func (l *Ledger) State(group int) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.groups[group]; s != nil {
		return *s
	}
	return State{}
}

// Query returns the state of a group as JSON, whatever is asked.
func (l *Ledger) Query(_ context.Context, group int, _ []byte) ([]byte, error) {
	return json.Marshal(l.State(group))
}

// Clean removes what snapshots of former processes left.
func Clean(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "snapshot-*"))
	for _, name := range left {
		err = errors.Join(err, os.RemoveAll(name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
