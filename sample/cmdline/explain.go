package cmdline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/sample/tlsflags"
)

// Explain says in one line why a node did not start and what can be done.
func (o *Options) Explain(err error) string {
	advice := ""
	switch info, statErr := os.Stat(o.LogPath()); {
	case errors.Is(err, storage.ErrInUse):
		advice = fmt.Sprintf("another running process uses %s: end it first, or choose another -storage_dir", o.LogPath())
	case statErr == nil && !info.IsDir():
		advice = fmt.Sprintf("%s is not a directory: move it away, or choose another -storage_dir", o.LogPath())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = fmt.Sprintf("%s is not an address of this machine: correct the first argument", o.Me.AddrPort().Addr())
	case errors.Is(err, phxpaxos.ErrNetwork), errors.Is(err, tlsflags.ErrFlags), errors.Is(err, network.ErrConfig):
		// Their own text says what to do.
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		advice = fmt.Sprintf("%s cannot be used: give this user the right to write there, or choose another -storage_dir", o.LogPath())
	case errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrNotExist):
		advice = fmt.Sprintf("%s cannot be created: choose another -storage_dir", o.LogPath())
	case errors.Is(err, syscall.ENOSPC):
		advice = "the disk is full: make room and start again"
	case errors.Is(err, storage.ErrDamaged):
		// Starting empty would forget votes, and forgotten votes can make two
		// nodes disagree: never advise to delete the directory.
		advice = fmt.Sprintf("the log in %s is damaged: do not delete it, restore it or examine it first", o.LogPath())
	}
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	if advice == "" {
		return reason
	}
	return fmt.Sprintf("%s (%s)", advice, reason)
}
