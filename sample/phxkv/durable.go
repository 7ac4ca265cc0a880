package phxkv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

var synced = &opt.WriteOptions{Sync: true}

const bloomBits = 10 // for each key: 1 of 100 lookups of a new key reads a table in vain

// database is a goleveldb with its files.
type database struct {
	*leveldb.DB
	files storage.Storage
}

// openDB opens a goleveldb, or makes one.
func openDB(dir string) (*database, error) {
	files, err := storage.OpenFile(dir, false)
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", dir, err)
	}
	db, err := leveldb.Open(newDurableFiles(files, dir), &opt.Options{Filter: filter.NewBloomFilter(bloomBits)})
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", dir, errors.Join(err, files.Close()))
	}
	return &database{db, files}, nil
}

// Close ends the use of the directory.
func (d *database) Close() error { return errors.Join(d.DB.Close(), d.files.Close()) }

// durableFiles does what goleveldb 1.0.0 leaves out: without it a loss of
// power could leave a database that names files which are not there.
//
// goleveldb tries again after a failed sync. The system reports a failure once,
// and then lets syncs succeed although what was written before is lost. So
// each file is synced by one goroutine at a time, through one descriptor, and
// after a failure every sync of it returns the first error.
type durableFiles struct {
	storage.Storage
	dir string

	mu   sync.Mutex
	lost error // a sync of the directory failed
	open map[storage.FileDesc]*durableWriter
}

func newDurableFiles(files storage.Storage, dir string) *durableFiles {
	return &durableFiles{Storage: files, dir: dir, open: map[storage.FileDesc]*durableWriter{}}
}

// Create makes the name of a new file durable.
func (f *durableFiles) Create(fd storage.FileDesc) (storage.Writer, error) {
	w, err := f.Storage.Create(fd)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.syncDir(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	d := &durableWriter{Writer: w, files: f, fd: fd}
	f.open[fd] = d
	return d, nil
}

// syncDir makes the names durable. The caller holds mu.
func (f *durableFiles) syncDir() error {
	if f.lost != nil {
		return f.lost
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	f.lost = d.Sync()
	return errors.Join(f.lost, d.Close())
}

// SetMeta makes the manifest durable before CURRENT names it.
func (f *durableFiles) SetMeta(fd storage.FileDesc) error {
	f.mu.Lock()
	w := f.open[fd]
	f.mu.Unlock()
	var err error
	if w != nil {
		err = w.Sync()
	} else {
		err = syncPath(filepath.Join(f.dir, fd.String()))
	}
	if err != nil {
		return err
	}
	return f.Storage.SetMeta(fd)
}

// durableWriter is a file that is being written.
type durableWriter struct {
	storage.Writer
	files *durableFiles
	fd    storage.FileDesc

	mu   sync.Mutex
	lost error // a sync failed
}

// Sync makes what was written durable.
func (w *durableWriter) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.lost = w.Writer.Sync()
	}
	return w.lost
}

// Close ends the writing.
func (w *durableWriter) Close() error {
	w.files.mu.Lock()
	if w.files.open[w.fd] == w {
		delete(w.files.open, w.fd)
	}
	w.files.mu.Unlock()
	return w.Writer.Close()
}

// syncPath syncs a file or a directory.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Ends of the names of directories that a crash may leave behind.
const (
	unfinished = ".new"      // a database that is being filled
	forSending = ".snapshot" // files that are being sent to another node
)

// dirName is the directory of a group's n-th database.
func dirName(path string, group int, n uint64) string {
	return filepath.Join(path, fmt.Sprintf("g%d-%d", group, n))
}

// newestDir is the directory of a group's database, which need not exist yet,
// and its number. It removes what a crash has left: older ones, unfinished
// ones, snapshots.
func newestDir(path string, group int) (dir string, newest uint64, err error) {
	if err := os.MkdirAll(path, 0o775); err != nil {
		return "", 0, fmt.Errorf("database path: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", 0, fmt.Errorf("database path: %w", err)
	}
	prefix := fmt.Sprintf("g%d-", group)
	var old []string
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		if !ours {
			continue
		}
		if n, err := strconv.ParseUint(rest, 10, 64); err == nil {
			newest = max(newest, n)
			old = append(old, e.Name())
		} else if strings.HasSuffix(rest, unfinished) || strings.HasSuffix(rest, forSending) {
			old = append(old, e.Name())
		}
	}
	dir = dirName(path, group, newest)
	for _, name := range old {
		if name == filepath.Base(dir) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
			return "", 0, fmt.Errorf("removing what is left of an earlier database: %w", err)
		}
	}
	return dir, newest, nil
}
