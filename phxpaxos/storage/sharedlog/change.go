package sharedlog

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Clear implements storage.LogStorage: a record that makes those in front of
// it void.
func (s *Store) Clear(group int) error {
	return s.change(group, func(g *groupLog) (*Header, []byte, error) {
		return &Header{Kind: Clear, Group: uint32(g.id)}, nil, nil
	})
}

// Drop implements storage.LogStorage; when it returns it is durable.
func (s *Store) Drop(group int, instance uint64) error {
	return s.change(group, func(g *groupLog) (*Header, []byte, error) {
		seg, _, err := s.locate(g, instance)
		if errors.Is(err, storage.ErrNotFound) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		s.unpin(seg)
		m := g.mark
		d := dropped{max: m.max, newest: m.newest, hasMax: m.hasMax, hasNewest: m.hasNewest}
		if instance == m.max || instance == m.newest {
			below, err := s.neighbour(g, instance, false)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return nil, nil, err
			}
			if floor := s.floor(g); err != nil && floor > 0 {
				// What is trimmed must not come back above the highest one.
				return &Header{Kind: Newest, Group: uint32(g.id), Instance: floor - 1}, nil, nil
			}
			if instance == m.max {
				d.max, d.hasMax = below, err == nil
			}
			if instance == m.newest {
				d.newest, d.hasNewest = below, err == nil
			}
		}
		return &Header{Kind: Drop, Group: uint32(g.id), Instance: instance}, d.encode(), nil
	})
}

// change writes a record that changes what is there, durably. Nothing waits
// to be written meanwhile. No header means that there is nothing to do.
func (s *Store) change(group int, record func(*groupLog) (*Header, []byte, error)) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.wmu.Lock()
	s.commit(nil)
	err = s.unusable(g)
	if err == nil {
		err = s.writeChange(g, record)
	}
	s.wmu.Unlock()
	s.busy.Store(true)
	s.wake()
	return err
}

func (s *Store) writeChange(g *groupLog, record func(*groupLog) (*Header, []byte, error)) error {
	h, payload, err := record(g)
	if err != nil || h == nil {
		return err
	}
	if err = s.stage(h, payload); err == nil {
		err = s.settle(true)
	}
	if err != nil {
		return fmt.Errorf("group %d: %w", g.id, s.fail(err))
	}
	return nil
}
