package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// code is the original's return code for an error of the storage.
func code(err error) int {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return 1
	case errors.Is(err, storage.ErrDamaged):
		return -2
	}
	return -1
}

// seen is what the question showed.
type seen struct {
	at   logdir.Location
	data []byte
	err  error // why it cannot be read
	last bool  // it is the newest instance
}

// look reads the instance without changing anything.
func (t *tool) look() (seen, error) {
	g, err := logdir.Open(t.dir, t.group)
	if err != nil {
		return seen{}, err
	}
	defer g.Close()
	var s seen
	if s.at, s.err = g.Find(t.instance); s.err == nil {
		s.data, s.err = g.Read(t.instance)
	}
	max, err := g.Max()
	s.last = err == nil && max == t.instance
	return s, nil
}

// del shows what would be removed, asks, and removes it.
func (t *tool) del() int {
	before, err := t.look()
	if err != nil {
		return t.openFailed(err)
	}
	if !t.ask(before) {
		return 0
	}
	s, err := logdir.OpenForChange(t.dir, t.group)
	if err != nil {
		return t.openFailed(err)
	}
	err = t.drop(s, before)
	if closed := s.Close(); err == nil {
		err = closed
	}
	if err != nil {
		fmt.Fprintf(t.out, "delete instance %d fail\n", t.instance)
		t.complain(err)
		return exitFailed
	}
	fmt.Fprintf(t.out, "delete instance %d ok\n", t.instance)
	return 0
}

// ask puts the question, and answers it with -y.
func (t *tool) ask(s seen) bool {
	if s.err != nil {
		fmt.Fprintf(t.out, "get this instance %d fail, do you want to delete it? (y/n)\n", t.instance)
		t.complain(s.err)
	} else {
		fmt.Fprintf(t.out, "this instance %d value size is %d, do you want to delete it? (y/n)\n", t.instance, len(s.data))
	}
	if s.err == nil && !s.last {
		fmt.Fprintf(t.err, "%s: instance %d is not the newest one: the log will have a gap, over which a node cannot replay it\n", t.name, t.instance)
	}
	if s.last {
		fmt.Fprintf(t.err, "%s: what the node promised or accepted at instance %d is forgotten: delete it only if you know that no other node relies on it\n", t.name, t.instance)
	}
	if t.yes {
		return true
	}
	answer := ""
	fmt.Fscan(t.in, &answer)
	return answer == "y"
}

// storeToChange is what del needs of a store.
type storeToChange interface {
	Read(group int, instance uint64, buf []byte) ([]byte, error)
	Drop(group int, instance uint64) error
}

// drop removes the instance, if it still is what was shown.
func (t *tool) drop(s storeToChange, before seen) error {
	data, err := s.Read(t.group, t.instance, nil)
	if (err == nil) != (before.err == nil) || !bytes.Equal(data, before.data) {
		return errors.New("the log was changed while the question was open; nothing was deleted")
	}
	if err := s.Drop(t.group, t.instance); err != nil {
		return err
	}
	if !errors.Is(before.err, storage.ErrNotFound) {
		fmt.Fprintf(t.out, "fileid %d offset %d\n", before.at.File, before.at.Offset)
	}
	return nil
}
