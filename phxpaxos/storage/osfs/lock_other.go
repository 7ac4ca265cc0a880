//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package osfs

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock two nodes could write one log.
func lockFile(*os.File) error {
	return errors.ErrUnsupported
}
