package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// source is a log of either layout, open for reading.
type source interface {
	// groups is how many groups it has: 0 … groups-1.
	groups() int
	// records calls fn for the newest record of every instance of a group, in
	// their order. data is valid until fn returns.
	records(group int, fn func(instance uint64, data []byte) error) error
	variable(group int, name storage.Variable) ([]byte, error)
	// dir is the directory of a group's own files.
	dir(group int) string
	close() error
}

// openSource opens a log for reading. A shared log does not know of groups
// that nothing was ever written to, so at least so many are taken.
func openSource(dir string, l layout.Layout, groupsMin int) (source, error) {
	if l == layout.Shared {
		return openShared(dir, groupsMin)
	}
	return openOriginal(dir)
}

// originalSource is a log of the original's layout.
type originalSource struct {
	root string
	all  []*logdir.Group
}

func (s *originalSource) dir(group int) string { return logdir.GroupDir(s.root, group) }

func openOriginal(dir string) (source, error) {
	found, err := logdir.ReadLayout(dir)
	if err != nil {
		return nil, err
	}
	s := &originalSource{root: dir}
	for i, id := range found.Groups {
		g, err := logdir.Open(dir, i)
		if err != nil {
			s.close()
			return nil, err
		}
		s.all = append(s.all, g)
		if id != i {
			s.close()
			return nil, fmt.Errorf("%s: group %d is missing, and there is group %d: %w", dir, i, id, storage.ErrDamaged)
		}
	}
	// What a Clear left half done is put right by a node that starts.
	for _, id := range append(found.News, found.Backups...) {
		if id >= len(s.all) {
			s.close()
			return nil, fmt.Errorf("%s: group %d was being cleared when its node died: start the node once, or see phxpaxos_doctor", dir, id)
		}
	}
	return s, nil
}

func (s *originalSource) groups() int { return len(s.all) }

func (s *originalSource) records(group int, fn func(uint64, []byte) error) error {
	return s.all[group].Records(fn)
}

func (s *originalSource) variable(group int, name storage.Variable) ([]byte, error) {
	return s.all[group].Variable(name)
}

func (s *originalSource) close() error {
	var errs []error
	for _, g := range s.all {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}

// sharedSource is a shared log.
type sharedSource struct{ s *sharedlog.Store }

func openShared(dir string, groupsMin int) (source, error) {
	s, err := sharedlog.Open(dir, 1, sharedlog.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	groups := max(groupsMin, s.Found())
	if err := s.Close(); err != nil {
		return nil, err
	}
	if s, err = sharedlog.Open(dir, groups, sharedlog.Options{ReadOnly: true}); err != nil {
		return nil, err
	}
	for g := range groups {
		if err := s.Err(g); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return &sharedSource{s}, nil
}

func (s *sharedSource) dir(group int) string { return s.s.Dir(group) }

func (s *sharedSource) groups() int { return s.s.Groups() }

func (s *sharedSource) records(group int, fn func(uint64, []byte) error) error {
	var buf []byte
	for from := uint64(0); ; from++ {
		instance, err := s.s.Next(group, from)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if buf, err = s.s.Read(group, instance, buf); err != nil {
			return err
		}
		if err := fn(instance, buf); err != nil {
			return err
		}
		if from = instance; from == math.MaxUint64 {
			return nil
		}
	}
}

func (s *sharedSource) variable(group int, name storage.Variable) ([]byte, error) {
	return s.s.Variable(group, name)
}

func (s *sharedSource) close() error { return s.s.Close() }
