package sharedlog

import (
	"errors"
	"fmt"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// windowBytes is how much a scanner reads at once.
const windowBytes = 256 << 10

// scanner reads the records of a segment one after the other.
type scanner struct {
	f    io.ReaderAt
	size int64
	seed uint32

	window []byte
	at     int64 // where window begins in the file
}

func newScanner(f io.ReaderAt, size int64, seed uint32) *scanner {
	return &scanner{f: f, size: size, seed: seed, window: make([]byte, 0, min(size, windowBytes))}
}

// bytes returns n bytes at an offset, n <= windowBytes, fewer at the end of
// the file. They are valid until the next call.
func (sc *scanner) bytes(off int64, n int) ([]byte, error) {
	if off < sc.at || off+int64(n) > sc.at+int64(len(sc.window)) {
		want := min(sc.size-off, windowBytes)
		if want <= 0 {
			return nil, nil
		}
		got, err := sc.f.ReadAt(sc.window[:want], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read %d bytes at offset %d: %w", want, off, err)
		}
		sc.window, sc.at = sc.window[:got], off
	}
	b := sc.window[off-sc.at:]
	return b[:min(n, len(b))], nil
}

// header reads a header; ok is false if there is none that can be true. The
// error matches storage.ErrNewerFormat if a newer version wrote it.
func (sc *scanner) header(off int64) (h Header, ok bool, err error) {
	b, err := sc.bytes(off, headBytes)
	if err != nil {
		return h, false, err
	}
	if h, ok = decodeHeader(b, sc.seed); !ok {
		if newerHeader(b, sc.seed) {
			err = newerRecord(b, off)
		}
		return h, false, err
	}
	if h.Kind == Begin && h.Number >= segmentFormat {
		return h, false, storage.NewerFormat("the segment", uint64(h.Number)+1, segmentFormat)
	}
	return h, int64(h.Durable)*alignment <= off && off+h.size() <= sc.size, nil
}

// payload verifies a payload, and returns it if keep is set.
func (sc *scanner) payload(h *Header, off int64, keep bool) (data []byte, whole bool, err error) {
	sum := uint32(0)
	from, to := off+headBytes, off+h.size()
	if keep {
		data = make([]byte, 0, to-from)
	}
	for at := from; at < to; {
		b, err := sc.bytes(at, int(min(to-at, windowBytes)))
		if err != nil || len(b) == 0 {
			return nil, false, err
		}
		sum = checksum.CRC32C(sum, b)
		if keep {
			data = append(data, b...)
		}
		at += int64(len(b))
	}
	if keep {
		data = data[:h.Length]
	}
	return data, sum == h.Sum, nil
}

// next returns where the first header from an offset on is, also one of a newer
// version; found is false if there is none in front of end.
func (sc *scanner) next(off, end int64) (at int64, found bool, err error) {
	for off = padded(off); off+headBytes <= end; {
		b, err := sc.bytes(off, windowBytes)
		if err != nil || len(b) < headBytes {
			return 0, false, err
		}
		for i := 0; i+headBytes <= len(b); i += alignment {
			if b[i+4]&0xf0 != kindMark {
				continue
			}
			h, ok := decodeHeader(b[i:], sc.seed)
			ok = ok || newerHeader(b[i:], sc.seed)
			if p := off + int64(i); ok && p+headBytes <= end && int64(h.Durable)*alignment <= p && p+h.size() <= sc.size {
				return p, true, nil
			}
		}
		off += int64(len(b)-headBytes)&^(alignment-1) + alignment
	}
	return 0, false, nil
}

// verdict says what a scan of the newest segment found.
type verdict struct {
	proven int64  // everything below was durable
	end    int64  // of the records that count
	last   Kind   // of the last of them
	oldest uint64 // highest Oldest among them
	more   bool   // something that looks like a record is behind end
}

// judge finds out where the records of a segment end whose end nobody has
// written down. Each header says what was durable when it was written: up to
// there nothing may be missing. What is not whole behind that was never
// acknowledged; it ends the log, and whatever is behind it.
func (sc *scanner) judge() (v verdict, err error) {
	for off := int64(0); ; {
		h, ok, err := sc.header(off)
		if err != nil {
			return v, err
		}
		if ok {
			v.proven = max(v.proven, int64(h.Durable)*alignment)
			off += h.size()
			continue
		}
		at, found, err := sc.next(off+alignment, sc.size)
		if err != nil {
			return v, err
		}
		if !found {
			break
		}
		off = at
	}
	w := walker{
		record: func(h *Header, off int64, _ []byte, whole bool) error {
			v.last = h.Kind
			if h.Kind == Oldest && whole {
				v.oldest = max(v.oldest, h.Instance)
			}
			return nil
		},
		hole: func(int64, int64) error { v.last = 0; return nil },
	}
	if v.end, err = sc.walk(v.proven, sc.size, w); err != nil {
		return v, err
	}
	_, v.more, err = sc.next(v.end, sc.size)
	return v, err
}

// walker is told what a walk comes across.
type walker struct {
	// record is called for each record; payload is nil for those of values.
	record func(h *Header, off int64, payload []byte, whole bool) error
	// hole is called where nothing can be read.
	hole func(from, to int64) error
}

// walk goes through the records up to end. Up to proven it does not stop at
// what is not whole. It returns where the records end.
func (sc *scanner) walk(proven, end int64, w walker) (int64, error) {
	off := int64(0)
	for off < end {
		h, ok, err := sc.header(off)
		if err != nil {
			return off, err
		}
		if !ok || off+h.size() > end {
			if off >= proven {
				return off, nil
			}
			to, found, err := sc.next(off+alignment, end)
			if err != nil {
				return off, err
			}
			if !found {
				to = end
			}
			if err := w.hole(off, to); err != nil {
				return off, err
			}
			off = to
			continue
		}
		payload, whole, err := sc.payload(&h, off, h.Kind != Record && h.Kind != Copy)
		if err != nil {
			return off, err
		}
		if !whole && off >= proven {
			return off, nil
		}
		if err := w.record(&h, off, payload, whole); err != nil {
			return off, err
		}
		off += h.size()
	}
	return off, nil
}
