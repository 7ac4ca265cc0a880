package phxpaxos

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// oneDir is a log storage that has a directory.
type oneDir struct {
	storage.LogStorage
	dir string
}

func (d oneDir) Dir(int) string { return d.dir }

// A mark with contents was written by a newer version: the node neither votes
// as if it were not there nor replaces it.
func TestMarkOfANewerVersion(t *testing.T) {
	dir := t.TempDir()
	e := env{&loop{store: oneDir{dir: dir}}}
	if on, err := e.marked(); on || err != nil {
		t.Fatalf("without a mark: %v, %v", on, err)
	}
	if err := e.setMark(true); err != nil {
		t.Fatal(err)
	}
	if on, err := e.marked(); !on || err != nil {
		t.Fatalf("with a mark: %v, %v", on, err)
	}
	name := filepath.Join(dir, group.NewcomerFile)
	if b, err := os.ReadFile(name); err != nil || len(b) > 0 {
		t.Errorf("the mark holds %q, %v: earlier versions expect nothing", b, err)
	}
	if err := os.WriteFile(name, []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if on, err := e.marked(); on || !errors.Is(err, storage.ErrNewerFormat) {
		t.Errorf("with a mark of a newer version: %v, %v", on, err)
	}
}
