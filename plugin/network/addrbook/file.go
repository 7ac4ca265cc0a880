package addrbook

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/filewatch"
)

// fileBytesMax bounds a file: some ten thousand nodes.
const fileBytesMax = 1 << 20

// File is an address book in a file that is read again when it changes. Each
// line is an id and an address, with white space between; what follows "#" is a
// comment:
//
//	# id                address
//	127.0.0.1:11111     node1.paxos.example:11111
//	23                  [2001:db8::23]:8001
//	0x18                10.0.0.24:8001
//
// An id is written as the address that it carries, or as a number. The file is
// looked at once in an interval while there is traffic. One that cannot be read
// or has an error is reported once a minute, and the old entries stay. All
// methods are safe for concurrent use; there is nothing to close.
type File struct {
	book   Book
	path   string
	files  *filewatch.Files
	log    *slog.Logger
	failed atomic.Int64 // when an error was last logged, Unix nanoseconds
}

var _ network.Addresses = (*File)(nil)

// FileOptions say how a file is watched. The zero value is good.
type FileOptions struct {
	// CheckInterval is how often the file is looked at, 10ms..1h. Default 1 s.
	CheckInterval time.Duration
	// Logger is told when the file was read again or cannot be. Default: none.
	Logger *slog.Logger
}

// Open reads the file at path. The error names the line.
func Open(path string, o FileOptions) (*File, error) {
	if o.CheckInterval == 0 {
		o.CheckInterval = time.Second
	}
	if o.CheckInterval < 10*time.Millisecond || o.CheckInterval > time.Hour {
		return nil, fmt.Errorf("%w: CheckInterval is %v, must be in 10ms..1h", ErrEntry, o.CheckInterval)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := filewatch.Whole(&path); err != nil {
		return nil, fmt.Errorf("address book %s: the working directory is unknown: %w; name an absolute path", path, err)
	}
	f := &File{path: path, files: filewatch.New(o.CheckInterval, path), log: o.Logger}
	return f, f.Reload()
}

// Reload reads the file now. If that fails, nothing has changed.
func (f *File) Reload() error {
	return f.files.Read(func() error {
		file, err := os.Open(f.path)
		if err != nil {
			return fmt.Errorf("address book: %w", err)
		}
		defer file.Close()
		entries, err := Parse(file)
		if err != nil {
			return fmt.Errorf("address book %s: %w", f.path, err)
		}
		return f.book.Update(entries)
	})
}

// Address implements network.Addresses. Once in an interval it looks at the
// file.
func (f *File) Address(id nodeid.ID) (string, bool) {
	if f.files.Due() && f.files.Changed() {
		if err := f.Reload(); err == nil {
			f.log.Info("address book was read again", "file", f.path)
		} else if last, now := f.failed.Load(), time.Now().UnixNano(); now-last > int64(time.Minute) && f.failed.CompareAndSwap(last, now) {
			f.log.Warn("address book has changed and cannot be used, the old one stays", "err", err)
		}
	}
	return f.book.Address(id)
}

// Parse reads an address book in the form that File describes, up to 1 MiB.
// Errors match ErrEntry and name the line.
func Parse(r io.Reader) (map[nodeid.ID]string, error) {
	entries := make(map[nodeid.ID]string)
	limited := &io.LimitedReader{R: r, N: fileBytesMax + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, fileBytesMax+1)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return nil, fmt.Errorf("line %d: %w: %q, want an id and an address", n, ErrEntry, strings.Join(words, " "))
		}
		id, err := parseID(words[0])
		if err == nil {
			err = validate(id, words[1])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if _, twice := entries[id]; twice {
			return nil, fmt.Errorf("line %d: %w: node %s is there twice", n, ErrEntry, words[0])
		}
		entries[id] = words[1]
	}
	if limited.N <= 0 || errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrEntry, fileBytesMax)
	}
	return entries, lines.Err()
}

func parseID(s string) (nodeid.ID, error) {
	if id, err := nodeid.Parse(s); err == nil {
		return id, nil
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return nodeid.None, fmt.Errorf("%w: %q is no node id, want one such as 127.0.0.1:11111, 23 or 0x17", ErrEntry, s)
	}
	return nodeid.ID(n), nil
}
