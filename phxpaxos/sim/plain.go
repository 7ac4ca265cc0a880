package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// plainMedium is a log storage of maps: what is left after a crash is a
// prefix of the unsynced puts. It is the model that the real one is compared
// with, and quick.
type plainMedium struct {
	groups  int
	durable []plainGroup
	pending []storage.Put
	log     *plainLog
	cutAt   int // puts that still happen, -1 for no limit
	failing bool
}

type plainGroup struct {
	records   map[uint64][]byte
	variables map[storage.Variable][]byte
	max       uint64
	damaged   map[uint64]bool
}

func newPlainMedium(groups int) *plainMedium {
	m := &plainMedium{groups: groups, cutAt: -1}
	for range groups {
		m.durable = append(m.durable, plainGroup{records: map[uint64][]byte{},
			variables: map[storage.Variable][]byte{}, damaged: map[uint64]bool{}})
	}
	return m
}

func (m *plainMedium) open() (storage.LogStorage, error) {
	m.cutAt, m.failing = -1, false
	m.log = &plainLog{m: m, failed: make([]error, m.groups)}
	return m.log, nil
}

func (m *plainMedium) crash(power bool, r *rand.Rand) {
	m.log = nil
	keep := len(m.pending)
	if power {
		keep = r.IntN(keep + 1)
	}
	m.apply(m.pending[:keep])
	m.pending = nil
}

func (m *plainMedium) apply(puts []storage.Put) {
	for _, p := range puts {
		g := &m.durable[p.Group]
		g.records[p.Instance] = p.Data
		g.max = max(g.max, p.Instance)
		delete(g.damaged, p.Instance)
	}
}

func (m *plainMedium) cut(n int)             { m.cutAt = n }
func (m *plainMedium) fail(bool, *rand.Rand) { m.failing = true }

func (m *plainMedium) flip(r *rand.Rand) (where string, ok bool) {
	group := r.IntN(m.groups)
	g := &m.durable[group]
	if len(g.records) == 0 {
		return "", false
	}
	at := r.Uint64N(g.max + 1)
	if _, ok := g.records[at]; ok {
		g.damaged[at] = true
	}
	return fmt.Sprintf("group %d instance %d", group, at), g.damaged[at]
}

// plainLog is one life of a plainMedium.
type plainLog struct {
	m      *plainMedium
	failed []error
}

func (l *plainLog) Groups() int { return l.m.groups }

func (l *plainLog) Write(puts []storage.Put) error {
	m := l.m
	if m.failing {
		m.failing = false
		for g := range l.failed {
			l.failed[g] = storage.ErrFailed
		}
		return fmt.Errorf("write: %w", errInjected)
	}
	for _, p := range puts {
		if l.failed[p.Group] != nil {
			return l.failed[p.Group]
		}
	}
	sync := false
	for _, p := range puts {
		if m.cutAt == 0 {
			return errInjected
		}
		m.cutAt--
		m.pending = append(m.pending, p)
		sync = sync || p.Sync
	}
	if sync {
		m.apply(m.pending)
		m.pending = m.pending[:0]
	}
	return nil
}

func (l *plainLog) Read(group int, instance uint64, buf []byte) ([]byte, error) {
	for i := range l.m.pending {
		p := &l.m.pending[len(l.m.pending)-1-i]
		if p.Group == group && p.Instance == instance {
			return append(buf[:0], p.Data...), nil
		}
	}
	g := &l.m.durable[group]
	if g.damaged[instance] {
		return nil, storage.ErrDamaged
	}
	data, ok := g.records[instance]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return append(buf[:0], data...), nil
}

func (l *plainLog) Max(group int) (uint64, error) {
	g := &l.m.durable[group]
	top, any := g.max, len(g.records) > 0
	for _, p := range l.m.pending {
		if p.Group == group {
			top, any = max(top, p.Instance), true
		}
	}
	if !any {
		return 0, storage.ErrNotFound
	}
	return top, nil
}

func (l *plainLog) Trim(group int, below uint64) error {
	g := &l.m.durable[group]
	for i := range g.records {
		if i < below {
			delete(g.records, i)
		}
	}
	return nil
}

func (l *plainLog) Drop(group int, instance uint64) error {
	delete(l.m.durable[group].records, instance)
	l.m.pending = slices.DeleteFunc(l.m.pending, func(p storage.Put) bool {
		return p.Group == group && p.Instance == instance
	})
	return nil
}

func (l *plainLog) Clear(group int) error {
	g := &l.m.durable[group]
	clear(g.records)
	delete(g.variables, storage.MinChosen)
	g.max = 0
	l.m.pending = slices.DeleteFunc(l.m.pending, func(p storage.Put) bool { return p.Group == group })
	return nil
}

func (l *plainLog) SetVariable(group int, name storage.Variable, value []byte) error {
	l.m.durable[group].variables[name] = slices.Clone(value)
	return nil
}

func (l *plainLog) Variable(group int, name storage.Variable) ([]byte, error) {
	v, ok := l.m.durable[group].variables[name]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return v, nil
}

func (l *plainLog) Dir(int) string { return "" }
func (l *plainLog) Close() error   { return nil }
