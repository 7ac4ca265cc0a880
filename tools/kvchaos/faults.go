package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// fault is one thing that is done to the cluster. run does it and undoes it.
type fault struct {
	name  string
	often int // how often, in relation to others
	run   func(*faults, context.Context) error
}

// faults does things to a cluster, one at a time.
type faults struct {
	*cluster
	rand   *rand.Rand
	counts map[string]int
}

func allFaults(o options) []fault {
	all := []fault{
		{"kill -9", 6, (*faults).killOne},
		{"kill -9 of two", 2, (*faults).killTwo},
		{"kill -9 of all", 1, (*faults).killAll},
		{"SIGTERM", 2, (*faults).terminate},
		{"SIGSTOP/SIGCONT", 6, (*faults).pause},
		{"node cut off", 4, (*faults).isolate},
		{"node deaf", 2, (*faults).deafen},
		{"node mute", 2, (*faults).silence},
		{"link cut", 3, (*faults).cutLink},
	}
	if o.wipe {
		all = append(all, fault{"disk lost", 2, (*faults).loseDisk})
	}
	return all
}

// strike does one thing at random.
func (f *faults) strike(ctx context.Context) error {
	all := allFaults(f.o)
	total := 0
	for _, one := range all {
		total += one.often
	}
	dice := f.rand.IntN(total)
	for _, one := range all {
		if dice -= one.often; dice < 0 {
			f.counts[one.name]++
			if err := one.run(f, ctx); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			return f.check()
		}
	}
	return nil
}

// between is a time at random.
func (f *faults) between(least, most time.Duration) time.Duration {
	return least + time.Duration(f.rand.Int64N(int64(most-least)))
}

func (f *faults) one() int { return f.rand.IntN(f.o.nodes) }

func (f *faults) bounce(ctx context.Context, nodes ...int) error {
	for _, i := range nodes {
		if err := f.servers[i].Signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	for _, i := range nodes {
		f.kill(i)
	}
	if err := pass(ctx, f.between(0, 3*time.Second)); err != nil {
		return err
	}
	for _, i := range nodes {
		if err := f.start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (f *faults) killOne(ctx context.Context) error { return f.bounce(ctx, f.one()) }

func (f *faults) killTwo(ctx context.Context) error {
	return f.bounce(ctx, f.rand.Perm(f.o.nodes)[:2]...)
}

func (f *faults) killAll(ctx context.Context) error {
	return f.bounce(ctx, f.rand.Perm(f.o.nodes)...)
}

func (f *faults) terminate(ctx context.Context) error {
	i := f.one()
	if err := f.finish(ctx, i); err != nil {
		return err
	}
	if err := pass(ctx, f.between(0, time.Second)); err != nil {
		return err
	}
	return f.start(ctx, i)
}

// pause stops a server for up to two leases: it may still think that it is
// master when it goes on.
func (f *faults) pause(ctx context.Context) error {
	i := f.one()
	if err := f.servers[i].Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err := pass(ctx, f.between(100*time.Millisecond, 2*lease))
	return errors.Join(err, f.servers[i].Signal(syscall.SIGCONT))
}

// cutFor cuts links for up to two leases, so or so.
func (f *faults) cutFor(ctx context.Context, pairs ...[2]int) error {
	how := []cut{stalled, dropped}[f.rand.IntN(2)]
	f.links.set(how, pairs...)
	err := pass(ctx, f.between(200*time.Millisecond, 2*lease))
	f.links.heal()
	return err
}

func (f *faults) isolate(ctx context.Context) error {
	i := f.one()
	return f.cutFor(ctx, append(f.toward(i), f.from(i)...)...)
}

func (f *faults) deafen(ctx context.Context) error  { return f.cutFor(ctx, f.toward(f.one())...) }
func (f *faults) silence(ctx context.Context) error { return f.cutFor(ctx, f.from(f.one())...) }

func (f *faults) cutLink(ctx context.Context) error {
	two := f.rand.Perm(f.o.nodes)[:2]
	return f.cutFor(ctx, [2]int{two[0], two[1]}, [2]int{two[1], two[0]})
}

func (f *faults) toward(i int) (pairs [][2]int) {
	for j := range f.o.nodes {
		if j != i {
			pairs = append(pairs, [2]int{j, i})
		}
	}
	return pairs
}

func (f *faults) from(i int) (pairs [][2]int) {
	for j := range f.o.nodes {
		if j != i {
			pairs = append(pairs, [2]int{i, j})
		}
	}
	return pairs
}

// loseDisk kills a server and starts it with nothing. All others have to vote,
// and nothing else happens before it has everything again and votes: with two
// of three disks lost, so is what only they had.
func (f *faults) loseDisk(ctx context.Context) error {
	if err := f.level(ctx); err != nil {
		return err
	}
	i := f.one()
	f.kill(i)
	if err := f.wipe(i); err != nil {
		return err
	}
	if err := f.start(ctx, i); err != nil {
		return err
	}
	return f.level(ctx)
}

// level waits until all servers have everything and vote.
func (f *faults) level(ctx context.Context) error {
	return until(ctx, "a server does not become level with the others", func() bool {
		for _, address := range f.grpc {
			if !level(ctx, address) {
				return false
			}
		}
		return true
	})
}

func level(ctx context.Context, address string) bool {
	k := client.New(address, client.Options{})
	defer k.Close()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, err := k.Status(ctx, address)
	if err != nil {
		return false
	}
	for _, group := range status.Groups {
		if group.Error != "" || group.Progress != "" || group.NowInstance == 0 {
			return false
		}
	}
	return true
}

// summary names all faults with their counts.
func (f *faults) summary() string {
	var parts []string
	for name, n := range f.counts {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
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
