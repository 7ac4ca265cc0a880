package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// errWrong: the cluster broke a promise.
var errWrong = errors.New("the cluster broke a promise")

// down is how long a node is down between two versions.
const down = 200 * time.Millisecond

// done is a step that was done.
type done struct {
	step     step
	from, to time.Time
	note     string
}

// runner plays one scenario.
type runner struct {
	*cluster
	done []done
	// swapped is when the last node was started.
	swapped time.Time
}

// play does all steps and judges the end. No process is left when it returns.
func (r *runner) play(ctx context.Context) error {
	defer r.killAll()
	for _, s := range stepsOf(r.s) {
		d := done{step: s, from: time.Now()}
		var err error
		d.note, err = r.do(ctx, s)
		if err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		d.to = time.Now()
		r.done = append(r.done, d)
		if r.broken() {
			return fmt.Errorf("%v: %w", s, errWrong)
		}
	}
	return r.end(ctx)
}

func (r *runner) broken() bool {
	select {
	case <-r.violated:
		return true
	default:
		return false
	}
}

// do does one step. The note is what is worth printing.
func (r *runner) do(ctx context.Context, s step) (note string, err error) {
	switch s.Op {
	case opStart:
		return "", r.start(ctx, s)
	case opRun:
		return "", pass(ctx, s.Time)
	case opSwap:
		return r.swap(ctx, s)
	case opDown:
		return "", r.stop(ctx, s.Node, s.Kill)
	case opUp:
		return r.up(ctx, s)
	case opLimit:
		return "", r.limit(ctx, s.Node, s.Level)
	case opLevel:
		return r.reaches(ctx, s.Level)
	default:
		return "", r.spoke(s.Text)
	}
}

// start starts all nodes. If the step has a plain node, it is the last one.
func (r *runner) start(ctx context.Context, s step) error {
	for node := range nodes {
		if err := r.launch(node, s.Version, s.Plain && node == nodes-1); err != nil {
			return err
		}
	}
	for node := range nodes {
		if err := r.launched(ctx, node); err != nil {
			return err
		}
		if err := r.writes(ctx, node, 0); err != nil {
			return err
		}
	}
	return nil
}

// swap replaces a node and waits until its clients' values are acknowledged.
func (r *runner) swap(ctx context.Context, s step) (note string, err error) {
	if err := r.stop(ctx, s.Node, s.Kill); err != nil {
		return "", err
	}
	if s.Wipe {
		if err := r.wipe(s.Node); err != nil {
			return "", err
		}
	}
	if err := pass(ctx, down); err != nil {
		return "", err
	}
	return r.up(ctx, s)
}

func (r *runner) up(ctx context.Context, s step) (note string, err error) {
	before, began := r.acked(s.Node), time.Now()
	if err := r.launch(s.Node, s.Version, s.Plain && s.Node == nodes-1); err != nil {
		return "", err
	}
	r.swapped = time.Now()
	if err := r.launched(ctx, s.Node); err != nil {
		return "", err
	}
	if err := r.writes(ctx, s.Node, before); err != nil {
		return "", err
	}
	return fmt.Sprintf("writes %v after its start", time.Since(began).Round(time.Millisecond)), nil
}

// writes waits until a node has acknowledged more than before values.
func (r *runner) writes(ctx context.Context, node, before int) error {
	return r.until(ctx, fmt.Sprintf("node %d acknowledges no value", node), func() bool { return r.acked(node) > before })
}

// limit limits the level, and waits until all nodes of the new version use no
// higher one.
func (r *runner) limit(ctx context.Context, node int, l phxpaxos.FeatureLevel) error {
	p := r.running[node]
	q := protocol.Request{Limit: &protocol.Limit{Level: uint32(l), Set: true}}
	text, err := ask(ctx, p, q, p.limited)
	if err == nil && text != "" {
		err = errors.New(text)
	}
	if err != nil {
		return err
	}
	if l != phxpaxos.FeatureBase {
		return nil
	}
	err = r.until(ctx, "the level does not fall", func() bool {
		return !slices.ContainsFunc(r.newer(), func(node int) bool { return r.level(node).Level > 0 })
	})
	r.allow(phxpaxos.FeatureBase)
	return err
}

// newer are the running nodes of the new version.
func (r *runner) newer() (all []int) {
	for node, p := range r.running {
		if p != nil && p.version == newVersion {
			all = append(all, node)
		}
	}
	return all
}

// reaches waits until all nodes of the new version are at a level.
func (r *runner) reaches(ctx context.Context, l phxpaxos.FeatureLevel) (note string, err error) {
	began := time.Now()
	r.allow(l)
	first, last := time.Time{}, time.Time{}
	err = r.until(ctx, fmt.Sprintf("level %d does not come into force", l), func() bool {
		first, last = time.Time{}, time.Time{}
		for _, node := range r.newer() {
			now := r.level(node)
			if phxpaxos.FeatureLevel(now.Level) != l || now.At.Before(r.running[node].began) {
				return false
			}
			if first.IsZero() || now.At.Before(first) {
				first = now.At
			}
			if now.At.After(last) {
				last = now.At
			}
		}
		return true
	})
	ms := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("%v after the step began; all nodes %v after the last start", ms(last.Sub(began)), ms(last.Sub(r.swapped))), err
}

// spoke checks that a node of the new version logged text.
func (r *runner) spoke(text string) error {
	for _, node := range r.newer() {
		ok, err := r.said(node, text)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return fmt.Errorf("%w: no node of the new version has logged it", errWrong)
}

// end lets the clients end, waits until all nodes have executed everything,
// closes them and judges what they have.
func (r *runner) end(ctx context.Context) error {
	for _, p := range r.running {
		if _, err := ask(ctx, p, protocol.Request{Pause: true}, p.paused); err != nil {
			return err
		}
	}
	target := make([]uint64, r.s.Groups)
	if err := r.statuses(ctx, func(_ int, s *protocol.Status) {
		for g := range target {
			target[g] = max(target[g], s.Now[g])
		}
	}); err != nil {
		return err
	}
	if err := r.settle(ctx, target); err != nil {
		return err
	}
	for node := range nodes {
		if err := r.stop(ctx, node, false); err != nil {
			return err
		}
	}
	r.judgeCounts(r.s.Procedure == "orderly" || r.s.Procedure == "wiped")
	for g, below := range target {
		var histories [][]protocol.Executed
		for node := range nodes {
			h, err := readHistory(r.nodeDir(node), g)
			if err != nil {
				return err
			}
			histories = append(histories, h)
		}
		for _, text := range judge(g, below, histories, r.acks) {
			r.violate("%s", text)
		}
	}
	if r.broken() {
		return errWrong
	}
	return nil
}

func (r *runner) statuses(ctx context.Context, each func(node int, s *protocol.Status)) error {
	for node, p := range r.running {
		s, err := ask(ctx, p, protocol.Request{Status: true}, p.status)
		if err != nil {
			return err
		}
		each(node, s)
	}
	return nil
}

// settle waits until all nodes have executed all instances below target.
func (r *runner) settle(ctx context.Context, target []uint64) error {
	var failed error
	err := r.until(ctx, fmt.Sprintf("not all nodes have executed the instances below %d", target), func() bool {
		all := true
		failed = r.statuses(ctx, func(_ int, s *protocol.Status) {
			for g := range target {
				all = all && s.Now[g] >= target[g]
			}
		})
		return all || failed != nil
	})
	return errors.Join(failed, err)
}

// until waits for what a healthy cluster does.
func (r *runner) until(ctx context.Context, otherwise string, ok func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-r.violated:
			return errWrong
		case <-limit.C:
			return fmt.Errorf("%w: %s, for %v", errWrong, otherwise, patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
