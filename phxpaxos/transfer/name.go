package transfer

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// ErrName: the name of a file in a checkpoint could lead out of its directory,
// or could not be a name at all.
var ErrName = errors.New("file name in a checkpoint is not allowed")

// The longest path and the longest name in it that common file systems take.
const (
	pathMax = 4096
	nameMax = 255
)

// Name returns the path of a checkpoint file relative to its directory, with
// slashes, or an error that matches ErrName. Empty parts are left out, as the
// original does; everything else that is not a plain name is refused: absolute
// paths, "." and "..", zero bytes, and whatever the operating system does not
// take for local.
func Name(path string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("%w: %.80q %s", ErrName, path, why)
	}
	switch {
	case path == "":
		return refuse("is empty")
	case len(path) > pathMax:
		return refuse(fmt.Sprintf("has %d bytes, at most %d are possible", len(path), pathMax))
	case path[0] == '/':
		return refuse("is absolute")
	case strings.IndexByte(path, 0) >= 0:
		return refuse("has a zero byte")
	}
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "":
			continue
		case part == ".", part == "..":
			return refuse("has a part that is no name")
		case len(part) > nameMax:
			return refuse(fmt.Sprintf("has a part of %d bytes, at most %d are possible", len(part), nameMax))
		}
		parts = append(parts, part)
	}
	clean := strings.Join(parts, "/")
	if path[len(path)-1] == '/' || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return refuse("is not a file below the directory")
	}
	return clean, nil
}
