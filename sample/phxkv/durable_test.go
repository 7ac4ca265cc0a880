package phxkv

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// onceStorage has files of which one sync fails, as the system reports it: the
// next one succeeds.
type onceStorage struct {
	storage.Storage
	fail error // of the next sync
}

type onceWriter struct {
	storage.Writer
	s *onceStorage
}

func (s *onceStorage) Create(fd storage.FileDesc) (storage.Writer, error) {
	w, err := s.Storage.Create(fd)
	return onceWriter{w, s}, err
}

func (w onceWriter) Sync() error {
	err := w.s.fail
	w.s.fail = nil
	return errors.Join(err, w.Writer.Sync())
}

// A failed sync stays: CURRENT never names a manifest that was lost.
func TestFailedSyncStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	files, err := storage.OpenFile(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	once := &onceStorage{Storage: files}
	f := newDurableFiles(once, dir)
	manifest := storage.FileDesc{Type: storage.TypeManifest, Num: 1}
	w, err := f.Create(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("injected")
	once.fail = boom
	for range 2 {
		if err := w.Sync(); !errors.Is(err, boom) {
			t.Errorf("Sync: %v", err)
		}
	}
	if err := f.SetMeta(manifest); !errors.Is(err, boom) {
		t.Errorf("SetMeta after a failed sync of the manifest: %v", err)
	}
	if _, err := f.GetMeta(); err == nil {
		t.Error("CURRENT names the manifest all the same")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	next := storage.FileDesc{Type: storage.TypeManifest, Num: 2}
	if w, err = f.Create(next); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Sync(), f.SetMeta(next), w.Close()); err != nil {
		t.Errorf("another file has nothing to do with it: %v", err)
	}
}
