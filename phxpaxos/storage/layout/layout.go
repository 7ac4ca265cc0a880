// Package layout tells how the logs in a directory lie: as the original's
// nodes lay them, or as one shared log. It may change; users choose with
// phxpaxos.Options.LogLayout.
package layout

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

// Layout is how logs lie in a directory.
type Layout uint8

const (
	None     Layout = iota // there is no log
	Original               // package vfile: a directory for each group
	Shared                 // package sharedlog
)

// String returns "none", "original" or "shared".
func (l Layout) String() string { return [...]string{"none", "original", "shared"}[l] }

// groupDir matches what the original, and its ClearAllLog, make.
var groupDir = regexp.MustCompile(`^g(0|[1-9][0-9]*)(\.bak|\.new)?$`)

// Of returns the layout of the logs in a directory; one that does not exist
// has none. It blocks on the disk and is safe for concurrent use.
func Of(fsys storage.FS, dir string) (Layout, error) {
	shared, err := sharedlog.Is(fsys, dir)
	if err != nil {
		return None, err
	}
	if shared {
		return Shared, nil
	}
	entries, err := fsys.ReadDir(filepath.ToSlash(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return None, nil
	}
	if err != nil {
		return None, err
	}
	for _, e := range entries {
		if e.Dir && groupDir.MatchString(e.Name) {
			return Original, nil
		}
	}
	return None, nil
}
