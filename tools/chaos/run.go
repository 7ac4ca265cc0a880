package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// errViolation is what a run ends with when the journal has something to say.
var errViolation = errors.New("the cluster broke a promise")

// tally counts what was done to the nodes.
type tally struct {
	Rounds, Kills, DoubleKills, Stops int
}

// runner plays the rounds.
type runner struct {
	*verifier
	rand  *rand.Rand
	tally tally
	show  *progress.Printer
}

// run plays all rounds and the end. Whatever it returns, no process is left.
func (r *runner) run(ctx context.Context) error {
	defer r.killAll()
	if err := r.start(ctx, r.everyone()...); err != nil {
		return err
	}
	if r.o.Garbage > 0 {
		if err := r.garbage(ctx); err != nil {
			return err
		}
	}
	for r.tally.Rounds < r.o.Rounds {
		if err := r.round(ctx); err != nil {
			return err
		}
		r.tally.Rounds++
		counts, _, violated := r.snapshot()
		r.show.At(float64(r.tally.Rounds)/float64(r.o.Rounds), fmt.Sprintf("round %d of %d, %d values acknowledged, %d checked", r.tally.Rounds, r.o.Rounds, counts.Acked, counts.Chosen))
		if violated > 0 {
			return errViolation
		}
	}
	return r.end(ctx)
}

func (r *runner) everyone() []int {
	all := make([]int, r.o.Nodes)
	for i := range all {
		all[i] = i
	}
	return all
}

// round disturbs the cluster once, sees it go on and judges its log.
func (r *runner) round(ctx context.Context) error {
	end := time.Now().Add(r.o.RoundTime)
	if err := r.disturb(ctx); err != nil {
		return err
	}
	if err := r.goesOn(ctx); err != nil {
		return err
	}
	if err := pass(ctx, time.Until(end)); err != nil {
		return err
	}
	return r.step(ctx)
}

// disturb kills or stops nodes, for up to a third of a round.
func (r *runner) disturb(ctx context.Context) error {
	order := r.rand.Perm(r.o.Nodes)
	down := time.Duration(r.rand.Int64N(int64(r.o.RoundTime/3) + 1))
	switch dice := r.rand.IntN(10); {
	case dice < 2:
		r.tally.Stops++
		victim := r.nodes[order[0]]
		if err := victim.stop(); err != nil {
			return err
		}
		err := pass(ctx, down)
		return errors.Join(err, victim.resume())
	case dice < 4:
		r.tally.DoubleKills++
		r.tally.Kills += 2
		return r.bounce(ctx, down, order[0], order[1])
	default:
		r.tally.Kills++
		return r.bounce(ctx, down, order[0])
	}
}

func (r *runner) bounce(ctx context.Context, down time.Duration, nodes ...int) error {
	r.kill(nodes...)
	if err := pass(ctx, down); err != nil {
		return err
	}
	return r.start(ctx, nodes...)
}

// goesOn waits until some value is acknowledged.
func (r *runner) goesOn(ctx context.Context) error {
	counts, _, _ := r.snapshot()
	return r.until(ctx, "no value is acknowledged any more", func() bool {
		now, _, _ := r.snapshot()
		return now.Acked > counts.Acked
	})
}

// allGoOn waits until every node acknowledges values.
func (r *runner) allGoOn(ctx context.Context) error {
	_, before, _ := r.snapshot()
	return r.until(ctx, "a node acknowledges no value any more", func() bool {
		_, now, _ := r.snapshot()
		for i := range now {
			if now[i] == before[i] {
				return false
			}
		}
		return true
	})
}

// until waits for something that a healthy cluster does.
func (r *runner) until(ctx context.Context, otherwise string, done func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.Violate("%s, for %v", otherwise, patience)
			return errViolation
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// end sees every node at work once more, lets the load end, judges the rest
// of the log and reads all of it again.
func (r *runner) end(ctx context.Context) error {
	r.show.Say("rounds are over, reading the whole log back")
	if err := r.allGoOn(ctx); err != nil {
		return err
	}
	if err := r.pause(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.again(ctx); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	if open := r.open(); open > 0 {
		r.Violate("%d acknowledged values are not in the log", open)
	}
	if counts, _, violated := r.snapshot(); violated > 0 {
		return errViolation
	} else if counts.Acked == 0 {
		return fmt.Errorf("%w: no value was ever acknowledged", errViolation)
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
