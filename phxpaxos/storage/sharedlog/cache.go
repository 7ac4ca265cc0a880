package sharedlog

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"

const (
	// warmSegments is how many segments stay in the system's cache: the one
	// that is written, and what a learner that is a little behind asks for.
	warmSegments = 2

	// pageBytes is what the system's cache holds or holds not, on most systems.
	pageBytes = 4 << 10
)

var page [pageBytes]byte

// dropCaches lets what is hardly ever read again leave the system's cache. A
// log that grows takes new memory for every page otherwise: on a virtual
// machine, which has to ask its host for memory that it has not used yet, that
// costs several times what the disk does, and elsewhere it drives out what
// others need.
func (s *Store) dropCaches() error {
	for !s.opts.Deterministic && !s.stopping() {
		seg := s.warmest()
		if seg == nil {
			return nil
		}
		err := s.dropCache(seg)
		s.unpin(seg)
		if err != nil {
			return err
		}
	}
	return nil
}

// warmest takes a segment out of those whose pages may be in the cache for no
// good reason, and pins it.
func (s *Store) warmest() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segs[:max(0, len(s.segs)-warmSegments)] {
		if !seg.cold {
			seg.cold = true
			s.pin(seg)
			return seg
		}
	}
	return nil
}

func (s *Store) dropCache(seg *segment) error {
	f, err := s.reader(seg, logSuffix)
	if err != nil {
		return err
	}
	return storage.DropCache(f)
}

// reuse is for a segment whose file was used before. Of such a page the system
// first reads what is not overwritten; so the end of a write is filled to the
// end of its page, when that is touched for the first time.
type reuse struct {
	size    int64 // of the file; 0 if it is new
	touched int64 // whole pages are written up to here
}

// fill appends what is missing to whole pages to a buffer that ends at offset
// end of the file.
func (r *reuse) fill(buf []byte, end int64) []byte {
	if end <= r.touched || end >= r.size {
		return buf
	}
	r.touched = (end + pageBytes - 1) &^ (pageBytes - 1)
	return append(buf, page[:r.touched-end]...)
}

// rest returns how many bytes at the end of a payload, which ends at offset end
// of the file, should be written with what comes behind.
func (r *reuse) rest(end int64) int {
	if end >= r.size {
		return 0
	}
	return int(end % pageBytes)
}
