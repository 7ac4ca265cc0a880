package logger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// fileBytesMax is when the next file is begun; glog's number.
	fileBytesMax = 1800 << 20
	// heldBytesMax bounds what waits to be written to one file.
	heldBytesMax = 64 << 10
	// heldMax is how long it waits: soon enough for somebody who watches.
	heldMax = time.Second
)

// errClosed says that a record came after Close.
var errClosed = errors.New("logger: the log is closed")

// Open returns a handler with files of its own, in glog's form and under glog's
// names, which begin with Module as the original's do. Any number of them can
// be open in one process, each in its directory with its Module; glog is not
// used, and neither touched. It fails with an error that names the option if
// one is wrong, and if a file cannot be created. It blocks on the disk and is
// safe for concurrent use.
//
// A record is on its way to the disk within a second, one of severity WARNING
// or ERROR at once. If it cannot be written, say because the disk is full,
// Handle returns an error, the record is lost, and the next one tries again.
func Open(o Options) (*Handler, error) {
	dir, err := o.prepare()
	if err != nil {
		return nil, err
	}
	if err := writable(dir); err != nil {
		return nil, err
	}
	f := &files{dir: dir, module: o.Module, bytesMax: fileBytesMax}
	if err := f.write(failure, time.Now(), 0, []byte("init_glog_warning_file")); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return newHandler(o.Level, f), nil
}

// files is a sink with a file for each severity.
type files struct {
	dir, module string
	bytesMax    int

	mu     sync.Mutex
	file   [3]*logFile // by severity; nil before its first line
	timer  *time.Timer // runs flush, nil if nothing waits
	closed bool
}

// logFile is one file.
type logFile struct {
	*os.File
	bytes int    // written, or held
	held  []byte // whole lines that wait to be written
}

// write implements sink: the line goes to the file of its severity and to those
// of the lower ones.
func (f *files) write(s severity, at time.Time, pc uintptr, text []byte) error {
	if at.IsZero() {
		at = time.Now()
	}
	var line bytes.Buffer
	fmt.Fprintf(&line, "%c%s %7d %s] %s\n", severities[s][0], at.Format("0102 15:04:05.000000"), os.Getpid(), position(pc), text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	var errs []error
	for i := s; i >= info; i-- {
		errs = append(errs, f.append(i, line.Bytes(), s > info))
	}
	if f.timer == nil && s == info {
		f.timer = time.AfterFunc(heldMax, func() { _ = f.flush() }) // what fails is tried again with the next line
	}
	return errors.Join(errs...)
}

// append adds a line to one file, and writes it out if it is urgent or enough
// waits. The caller holds mu.
func (f *files) append(s severity, line []byte, urgent bool) error {
	if file := f.file[s]; file == nil || file.bytes+len(line) > f.bytesMax {
		if err := f.begin(s); err != nil {
			return err
		}
	}
	file := f.file[s]
	if len(file.held)+len(line) > heldBytesMax {
		if err := file.flush(); err != nil {
			return err
		}
	}
	file.held = append(file.held, line...)
	file.bytes += len(line)
	if urgent || len(file.held) > heldBytesMax {
		return file.flush()
	}
	return nil
}

// flush writes what is held. What cannot be written is dropped if it is more
// than may wait, or memory would fill up as the disk did.
func (l *logFile) flush() error {
	n, err := l.Write(l.held)
	l.held = append(l.held[:0], l.held[n:]...)
	if err != nil && len(l.held) > heldBytesMax/2 {
		l.bytes -= len(l.held)
		l.held = l.held[:0]
	}
	return err
}

// begin starts the next file of a severity. The caller holds mu.
func (f *files) begin(s severity) error {
	now := time.Now()
	name := fmt.Sprintf("%s.%s.%s.log.%s.%s.%d", f.module, hostName(), userName(), severities[s], now.Format("20060102-150405"), os.Getpid())
	file, err := f.create(name)
	if err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	previous := "<none>"
	if old := f.file[s]; old != nil {
		previous = old.Name()
		old.held = fmt.Appendf(old.held, "Next log: %s\n\nCONTINUED IN NEXT FILE\n", file.Name())
		_ = errors.Join(old.flush(), old.Close()) // the new file is what counts now
	}
	next := &logFile{File: file}
	next.held = fmt.Appendf(nil, "Log file created at: %s\nRunning on machine: %s\nBinary: Built with %s %s for %s/%s\nPrevious log: %s\n"+
		"Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n",
		now.Format("2006/01/02 15:04:05"), hostName(), runtime.Compiler, runtime.Version(), runtime.GOOS, runtime.GOARCH, previous)
	next.bytes = len(next.held)
	f.file[s] = next
	return f.point(f.module+"."+severities[s], filepath.Base(file.Name()))
}

// create makes a file that was not there: another handler of this process may
// have begun one of that name in the same second.
func (f *files) create(name string) (*os.File, error) {
	for n := 1; ; n++ {
		path := filepath.Join(f.dir, name)
		if n > 1 {
			path = fmt.Sprintf("%s.%d", path, n)
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) || n == 1000 {
			return file, err
		}
	}
}

// point makes a link lead to the newest file. There is always one: the new link
// takes the place of the old in one step.
func (f *files) point(link, target string) error {
	fresh := filepath.Join(f.dir, fmt.Sprintf(".%s.%d", link, os.Getpid()))
	_ = os.Remove(fresh) // of a process that ended halfway
	if err := os.Symlink(target, fresh); err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	if err := os.Rename(fresh, filepath.Join(f.dir, link)); err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	return nil
}

// flush implements sink.
func (f *files) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	var errs []error
	for _, file := range f.file {
		if file != nil {
			errs = append(errs, file.flush())
		}
	}
	return errors.Join(errs...)
}

// close implements sink.
func (f *files) close() error {
	err := f.flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	for _, file := range f.file {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}

// hostName is the first label of the machine's name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknownhost"
	}
	name, _, _ = strings.Cut(name, ".")
	return name
}

// userName is who runs the process, in letters that a file name may have.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return "unknownuser"
	}
	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			return r
		}
		return '_'
	}, u.Username)
}
