package main

import (
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// stall lets the log's writes stand still for a while, as a disk that tries
// to read a bad sector does.
type stall struct{ until atomic.Int64 } // in nanoseconds of Unix time

func (s *stall) begin(d time.Duration) { s.until.Store(time.Now().Add(d).UnixNano()) }

// stallingLog is a log whose writes stall.
type stallingLog struct {
	storage.LogStorage
	stall *stall
}

func (s stallingLog) Write(puts []storage.Put) error {
	if until := s.stall.until.Load(); until != 0 {
		time.Sleep(time.Until(time.Unix(0, until))) // not at all once that has passed
	}
	return s.LogStorage.Write(puts)
}
