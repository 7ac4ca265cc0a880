// Package logdirtest makes storage directories for the tests of the tools:
// what original nodes left, and logs written by the real store. It may change.
package logdirtest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// GoldenFile returns the path of a file recorded from original nodes. The
// test is skipped where there are none.
func GoldenFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if golden := filepath.Join(filepath.Dir(dir), "shared", "golden"); isDir(golden) {
			return filepath.Join(golden, name)
		}
		above := filepath.Dir(dir)
		if above == dir {
			t.Skip("no recordings of original nodes: there is no shared/golden beside the checkout")
		}
		dir = above
	}
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// Golden unpacks a recorded directory and returns where it is.
func Golden(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(GoldenFile(t, "disk/"+name+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err == nil {
			err = unpack(dir, h, r)
		}
		if err != nil {
			t.Fatalf("unpack %s: %v", name, err)
		}
	}
}

func unpack(dir string, h *tar.Header, r io.Reader) error {
	name := filepath.Join(dir, filepath.FromSlash(h.Name))
	if h.FileInfo().IsDir() {
		return os.MkdirAll(name, 0o755)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return copySparse(f, r, h.Size)
}

// copySparse leaves holes where there are only zeros: value files are nearly
// all hole.
func copySparse(f *os.File, r io.Reader, size int64) error {
	buf := make([]byte, 1<<16)
	for at := int64(0); ; {
		n, err := io.ReadFull(r, buf)
		if strings.Trim(string(buf[:n]), "\x00") != "" {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return f.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

// Me is the node whose logs Writer writes.
const Me nodeid.ID = 72058139498785639 // 127.0.0.1:11111

// Writer writes a log as a node does: a promise now and then, and a value for
// each instance, chained to the one before.
type Writer struct {
	Store *vfile.Store
	group int
	next  uint64
	sum   uint32
	round uint64
	Size  int // of a value's body
}

// NewWriter writes a group of a store that is empty.
func NewWriter(s *vfile.Store, group int) *Writer {
	return &Writer{Store: s, group: group, round: 1, Size: 40}
}

// Record makes the record of the next instance, or its promise.
func (w *Writer) record(promiseOnly bool) []byte {
	ballot := paxos.Ballot{Number: w.round, Node: Me}
	r := paxos.Record{Instance: w.next, Promised: ballot}
	if !promiseOnly {
		r.Accepted = ballot
		body := make([]byte, w.Size)
		for i := range body {
			body[i] = byte('a' + (w.next+uint64(i))%26)
		}
		r.Value = wire.AppendValue(nil, sm.ID(1), body)
		r.Checksum = paxos.ChainChecksum(w.next, w.sum, r.Value)
		w.sum = r.Checksum
	}
	return wire.AppendRecord(nil, &r)
}

// Write writes n instances, a batch at a time.
func (w *Writer) Write(n int) error {
	const batch = 64
	for n > 0 {
		var puts []storage.Put
		for range min(n, batch) {
			if w.next%20 == 0 {
				w.round++
				puts = append(puts, storage.Put{Group: w.group, Instance: w.next, Data: w.record(true), Sync: true})
			}
			puts = append(puts, storage.Put{Group: w.group, Instance: w.next, Data: w.record(false), Sync: true})
			w.next++
		}
		if err := w.Store.Write(puts); err != nil {
			return err
		}
		n -= min(n, batch)
	}
	return nil
}

// Snapshot returns names, sizes, times and contents of a tree, to see that
// nothing was changed. Only the first part of large files is compared.
func Snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(name + " " + info.Mode().String() + " " + info.ModTime().String())
		if d.Type().IsRegular() {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			head, err := io.ReadAll(io.LimitReader(f, 1<<20))
			if err != nil {
				return err
			}
			b.Write(head)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
