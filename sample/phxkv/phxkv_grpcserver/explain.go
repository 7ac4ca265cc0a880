package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
)

// explain adds to the reason why a server does not start what can be done.
func explain(reason string, err error, o phxkv.Options) string {
	advice := ""
	switch {
	case errors.Is(err, phxkv.ErrStateMachine):
		advice = "correct the path behind -sm, or see what that program says"
	case errors.Is(err, phxpaxos.ErrLogLayout):
		advice = "start with -log_layout auto to use the log as it is"
	case errors.Is(err, storage.ErrInUse), errors.Is(err, syscall.EAGAIN):
		advice = fmt.Sprintf("another running process uses %s or %s: end it first, or choose other directories", o.KVPath, o.LogPath)
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "another running process listens there: end it first, or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "that is not an address of this machine"
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		advice = "give this user the right to write there, or choose other directories"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "something else than a directory stands there: move it away, or choose other directories"
	case errors.Is(err, syscall.ENOSPC):
		advice = "the disk is full: make room and start again"
	case errors.Is(err, storage.ErrDamaged):
		// Starting empty would forget votes, and forgotten votes can make two
		// nodes disagree: never advise to delete the directory.
		advice = fmt.Sprintf("the log in %s is damaged: do not delete it, restore it or examine it first", o.LogPath)
	}
	if advice == "" {
		return reason
	}
	return fmt.Sprintf("%s (%s)", advice, reason)
}
