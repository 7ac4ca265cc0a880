package sharedlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const (
	logSuffix       = ".log"
	indexSuffix     = ".idx"
	spareSuffix     = ".spare"
	temporarySuffix = ".tmp"
	nameDigits      = 16
)

// segment is one file of the log.
type segment struct {
	seq     uint64
	seed    uint32
	end     int64  // of its records; fixed when it is finished
	oldest  uint64 // the highest Oldest in it
	damaged bool   // not all of it could be read: it gets no index file

	// Of Store.mu.
	live    int64             // bytes of records and variables that are needed
	tallies map[uint32]*tally // by group, until the index file is written
	indexed bool              // the index file is written
	cold    bool              // it has left the system's cache, or is about to
	table   int64             // where its entries begin

	// Of Store.files.
	refs  int
	used  uint64
	freed bool
	log   storage.File
	index storage.File
}

func fileName(seq uint64, suffix string) string {
	return fmt.Sprintf("%0*x%s", nameDigits, seq, suffix)
}

// parseName returns the number in the name of a segment.
func parseName(name, suffix string) (seq uint64, ok bool) {
	digits, found := strings.CutSuffix(name, suffix)
	if !found || len(digits) != nameDigits || strings.ToLower(digits) != digits {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 16, 64)
	return seq, err == nil && seq > 0
}

func (s *Store) path(seq uint64, suffix string) string {
	return path.Join(s.dir, fileName(seq, suffix))
}

func (s *Store) newSegment(seq uint64) *segment {
	return &segment{seq: seq, seed: s.id.seed(seq), tallies: map[uint32]*tally{}}
}

// pin keeps the file of a segment from being used again. The caller holds mu,
// so that the segment is still there.
func (s *Store) pin(seg *segment) {
	s.files.Lock()
	seg.refs++
	s.files.Unlock()
}

// unpin ends that. When too many files are open, it closes some.
func (s *Store) unpin(seg *segment) {
	s.files.Lock()
	defer s.files.Unlock()
	seg.refs--
	if seg.freed && seg.refs == 0 {
		s.retired = append(s.retired, seg)
		closeFiles(seg)
		delete(s.opened, seg)
		return
	}
	for s.open > s.opts.FilesMax && s.closeOldest() {
	}
}

// closeOldest closes the files of the segment that was not used for longest.
// The caller holds files.
func (s *Store) closeOldest() bool {
	var oldest *segment
	for seg := range s.opened {
		if seg.refs == 0 && (oldest == nil || seg.used < oldest.used) {
			oldest = seg
		}
	}
	if oldest == nil {
		return false
	}
	closeFiles(oldest)
	delete(s.opened, oldest)
	s.open = len(s.opened)
	return true
}

func closeFiles(seg *segment) {
	for _, f := range []*storage.File{&seg.log, &seg.index} {
		if *f != nil {
			(*f).Close() // it was only read
			*f = nil
		}
	}
}

// reader returns an open file of a segment that is pinned.
func (s *Store) reader(seg *segment, suffix string) (storage.File, error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.tick++
	seg.used = s.tick
	f := &seg.log
	if suffix == indexSuffix {
		f = &seg.index
	}
	if *f != nil {
		return *f, nil
	}
	file, err := s.opts.FS.Open(s.path(seg.seq, suffix), storage.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: %w", s.path(seg.seq, suffix), storage.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	*f = file
	s.opened[seg] = struct{}{}
	s.open = len(s.opened)
	return file, nil
}

func (s *Store) damage(seg *segment, offset int64, format string, args ...any) error {
	return fmt.Errorf("%s offset %d: %s: %w", s.path(seg.seq, logSuffix), offset, fmt.Sprintf(format, args...), storage.ErrDamaged)
}
