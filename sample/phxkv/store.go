package phxkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const (
	// flushEvery bounds how much of the log is executed again after a crash.
	flushEvery = time.Second
	// flushBytes bounds the memory of what is not written yet. A batch of
	// this size is written in some 10 ms.
	flushBytes = 4 << 20
)

// What is in a goleveldb: values, and one place.
const (
	dataPrefix = "d"
	placeKey   = "p"
)

// place is how far a group's log was executed: all before an entry, and it.
// The zero place is before the first entry.
type place struct {
	next  uint64 // everything in the instances below is executed
	index int    // and so many entries of instance next
}

func placeOf(e sm.Entry) place {
	if e.Last {
		return place{next: e.Instance + 1}
	}
	return place{next: e.Instance, index: e.Index + 1}
}

func (p place) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.next)
	return binary.LittleEndian.AppendUint64(b, uint64(p.index))
}

func decodePlace(b []byte) (place, error) {
	if len(b) != 16 {
		return place{}, fmt.Errorf("the place in the log has %d bytes, want 16", len(b))
	}
	return place{binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint64(b[8:]))}, nil
}

// changes are what was executed and is not on disk.
type changes struct {
	data  map[string]*Data // never modified once it is here
	bytes int
	at    place
}

// store is what one group keeps. Operations change memory; from time to time
// all changes and the place behind them go to disk in one synced batch. The
// log has every operation durably already, so nothing needs to be faster.
//
// Its invariants: a key is looked up in fresh, then in frozen, then in db; at
// is behind everything in fresh; durable is behind everything in db, and no
// batch is written before the one before it is durable.
type store struct {
	path  string
	group int

	flushing  sync.Mutex // held while somebody writes to db or replaces it
	snapshots int        // so many were made; guarded by flushing

	mu      sync.RWMutex // guards what is below
	dir     string
	number  uint64 // of dir
	db      *database
	fresh   changes
	frozen  changes // being written
	durable place
	broken  error // why nothing is written any more

	stop, stopped chan struct{}
}

func openStore(path string, group int) (*store, error) {
	dir, number, err := newestDir(path, group)
	if err != nil {
		return nil, err
	}
	s := &store{path: path, group: group, dir: dir, number: number, stop: make(chan struct{}), stopped: make(chan struct{})}
	if s.db, err = openDB(dir); err != nil {
		return nil, err
	}
	if s.durable, err = readPlace(s.db); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), s.db.Close())
	}
	s.fresh = changes{data: map[string]*Data{}, at: s.durable}
	go s.flushNowAndThen()
	return s, nil
}

func readPlace(db *database) (place, error) {
	b, err := db.Get([]byte(placeKey), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	return decodePlace(b)
}

// includes reports whether everything up to an entry was executed.
func (s *store) includes(at place) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	have := s.fresh.at
	return at.next < have.next || at.next == have.next && at.index <= have.index
}

// checkpoint is the highest instance that is completely on disk.
func (s *store) checkpoint() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.durable.next - 1 // sm.NoCheckpoint before the first
}

func (s *store) err() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.broken
}

// get returns what a key holds; it is not to be modified.
func (s *store) get(key string) (*Data, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if data, ok := s.fresh.data[key]; ok {
		return data, nil
	}
	if data, ok := s.frozen.data[key]; ok {
		return data, nil
	}
	b, err := s.db.Get([]byte(dataPrefix+key), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return &Data{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: reading a key: %w", s.dir, err)
	}
	return decodeData(b)
}

func decodeData(b []byte) (*Data, error) {
	data := &Data{}
	if err := proto.Unmarshal(b, data); err != nil {
		return nil, fmt.Errorf("what is stored for a key is no KVData: %w", err)
	}
	return data, nil
}

// put changes a key, and skip nothing; both take note of the place. They are
// called by the goroutine of the group.
func (s *store) put(key string, data *Data, at place) error {
	if err := s.makeRoom(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.fresh.data[key]; ok {
		s.fresh.bytes -= len(old.Value)
	} else {
		s.fresh.bytes += len(key)
	}
	s.fresh.bytes += len(data.Value)
	s.fresh.data[key] = data
	s.fresh.at = at
	return nil
}

func (s *store) skip(at place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.fresh.at = at
	}
	return s.broken
}

// makeRoom lets the group wait for the disk when too much is not written.
func (s *store) makeRoom() error {
	s.mu.RLock()
	full, err := s.fresh.bytes >= flushBytes, s.broken
	s.mu.RUnlock()
	if err != nil || !full {
		return err
	}
	return s.flush()
}

func (s *store) flushNowAndThen() {
	defer close(s.stopped)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.flush() // the next operation fails with it, and so does close
		case <-s.stop:
			return
		}
	}
}

// flush writes all changes to disk. When it returns nil, everything that was
// executed before the call is durable. A failure is for good: after a failed
// sync nobody knows what is on disk, but the log is there at the next start.
func (s *store) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	if s.broken != nil || s.fresh.at == s.durable {
		defer s.mu.Unlock()
		return s.broken
	}
	s.frozen, s.fresh = s.fresh, changes{data: map[string]*Data{}, at: s.fresh.at}
	s.mu.Unlock()

	err := s.frozen.write(s.db)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = fmt.Errorf("%s cannot be written; see to the disk and start again: %w", s.dir, err)
		return s.broken
	}
	s.durable, s.frozen = s.frozen.at, changes{}
	return nil
}

func (c *changes) write(db *database) error {
	var batch leveldb.Batch
	for key, data := range c.data {
		b, err := proto.Marshal(data)
		if err != nil {
			return err
		}
		batch.Put([]byte(dataPrefix+key), b)
	}
	batch.Put([]byte(placeKey), c.at.encode())
	return db.Write(&batch, synced)
}

func (s *store) close() error {
	close(s.stop)
	<-s.stopped
	return errors.Join(s.flush(), s.db.Close())
}
