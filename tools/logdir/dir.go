package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

var (
	// ErrNoGroup: the directory has no log of that group.
	ErrNoGroup = errors.New("no such group")
	// ErrShared: the directory has another layout, the shared log.
	ErrShared = errors.New("the directory holds a shared log")
	// ErrSimulated: the index is the simulator's plain file, not LevelDB.
	ErrSimulated = errors.New("the directory was written by a simulator")
)

// GroupDir is where group i of a storage directory lies.
func GroupDir(dir string, group int) string {
	return filepath.Join(dir, "g"+strconv.Itoa(group))
}

// Layout is what lies in a storage directory.
type Layout struct {
	Groups  []int // ascending
	Backups []int // groups with a g<i>.bak: what ClearAllLog moved away
	News    []int // groups with a g<i>.new: what Clear was building
}

// ReadLayout lists a storage directory. It fails with ErrNoGroup if there is
// no group in it at all.
func ReadLayout(dir string) (Layout, error) {
	var l Layout
	list, err := os.ReadDir(dir)
	if err != nil {
		return l, err
	}
	for _, e := range list {
		rest, ok := strings.CutPrefix(e.Name(), "g")
		if !ok || !e.IsDir() {
			continue
		}
		to := &l.Groups
		if head, is := strings.CutSuffix(rest, ".bak"); is {
			rest, to = head, &l.Backups
		} else if head, is := strings.CutSuffix(rest, ".new"); is {
			rest, to = head, &l.News
		}
		if id, ok := number(rest); ok {
			*to = append(*to, id)
		}
	}
	for _, ids := range [][]int{l.Groups, l.Backups, l.News} {
		slices.Sort(ids)
	}
	if len(l.Groups)+len(l.Backups)+len(l.News) > 0 {
		return l, nil
	}
	if _, err := os.Stat(filepath.Join(dir, "vfile")); err == nil {
		return l, fmt.Errorf("%s is the directory of one group, name the one above it: %w", dir, ErrNoGroup)
	}
	return l, fmt.Errorf("%s holds no g0, g1 …: %w", dir, ErrNoGroup)
}

// number reads a number that is written as programs write it.
func number(s string) (int, bool) {
	if s == "" || len(s) > 1 && s[0] == '0' || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err == nil && n >= 0
}

// fileNumber takes names like "12.f" apart.
func fileNumber(name, suffix string) (int, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	return number(digits)
}

// ValueName is the path of a value file in its group's directory, and
// SidecarName that of its checksums.
func ValueName(id int) string   { return "vfile/" + strconv.Itoa(id) + ".f" }
func SidecarName(id int) string { return "vfile/" + strconv.Itoa(id) + ".crc" }

// refuseShared says what to do with a directory of the other layout.
func refuseShared(dir string) error {
	is, err := layout.Of(osfs.FS{}, dir)
	if err == nil && is == layout.Shared {
		return fmt.Errorf("%s: %w, and this program reads the original's layout only; `phxpaxos_convert %s NEW` writes a copy in that layout", dir, ErrShared, dir)
	}
	return nil
}

// RefuseShared is nil unless a file belongs to a shared log; then it matches
// ErrShared and says what to do.
func RefuseShared(file string) error {
	dir := filepath.Dir(file)
	if filepath.Base(dir) != "shared" {
		return nil
	}
	return refuseShared(filepath.Dir(dir))
}

// exists says that a group's directory is there.
func exists(groupDir string) error {
	if err := refuseShared(filepath.Dir(groupDir)); err != nil {
		return err
	}
	st, err := os.Stat(groupDir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist: %w", groupDir, ErrNoGroup)
	}
	if err == nil && !st.IsDir() {
		return fmt.Errorf("%s is not a directory: %w", groupDir, ErrNoGroup)
	}
	return err
}
