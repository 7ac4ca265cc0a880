package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sim"
)

// printStats writes what happened; used is the time of one core that it took.
func printStats(w io.Writer, s *sim.Stats, used time.Duration) {
	speed := s.Virtual.Seconds() / max(used.Seconds(), 1e-9)
	fmt.Fprintf(w, "virtual time  %v, %.0f times real time per core, %d events, %.2f µs each\n",
		s.Virtual.Round(time.Millisecond), speed, s.Events, used.Seconds()*1e6/max(float64(s.Events), 1))
	fmt.Fprintf(w, "calls         %d proposed, %d acknowledged, %d refused, %d with an unknown outcome\n",
		s.Proposed, s.Acknowledged, s.Refused, s.Unknown)
	fmt.Fprintf(w, "log           %d instances chosen, %d entries executed, %d histories searched for an order\n",
		s.Chosen, s.Executed, s.Searched)
	fmt.Fprintf(w, "network       %d packets sent, %d delivered, %d lost, %d for a node that was down, %d repeated, %d damaged\n",
		s.Sent, s.Delivered, s.Lost, s.ToDead, s.Repeated, s.Damaged)
	fmt.Fprintf(w, "disks         %d writes of %d records, %d bits turned, %d times damage was found\n",
		s.Writes, s.Records, s.Flips, s.Found)
	fmt.Fprintf(w, "machines      %d fell back, %d entries were lost and had to be given again\n", s.Losses, s.Forgotten)
	fmt.Fprintf(w, "early values  %d sent, %d named, %d missed\n", s.Early, s.Named, s.Missed)
	fmt.Fprintf(w, "reads         %d beside the log, %d of them by a lease, %d without an answer\n", s.Reads, s.LeaseReads, s.ReadsFailed)
	fmt.Fprintf(w, "system        %d changes of members, %d refused by version, %d elections, %d handed over, %d packets of strangers\n",
		s.Changes, s.ChangeConflicts, s.Elections, s.HandOvers, s.Kinds[event.PacketForeignCluster])
	fmt.Fprintf(w, "checkpoints   %d of state machines, %d steps of cleaning, %d loaded from other nodes, %d blocks sent, %d of them wrong, %d nodes wiped\n",
		s.Checkpoints, s.Cleaned, s.Loaded, s.Blocks, s.Rotten, s.Wiped)
	fmt.Fprintf(w, "nodes         %d starts, %d crashes\n", s.Boots, s.Crashes)
	fmt.Fprint(w, "faults       ")
	for k := range sim.FaultKinds {
		if s.Faults[k] > 0 {
			fmt.Fprintf(w, " %v %d", k, s.Faults[k])
		}
	}
	fmt.Fprintln(w)
}

// startProgress shows how far the crowd is: one line that changes on a
// terminal, now and then a new line elsewhere. It closes the result at the end.
func startProgress(c *crowd, done <-chan struct{}) <-chan struct{} {
	gone := make(chan struct{})
	period, terminal := 10*time.Second, isTerminal(os.Stdout)
	if terminal {
		period = time.Second / 2
	}
	go func() {
		defer close(gone)
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-done:
				if terminal {
					fmt.Print("\r\033[K")
				}
				return
			case <-tick.C:
				if terminal {
					fmt.Print("\r\033[K", c.bar())
				} else {
					fmt.Println(c.line())
				}
			}
		}
	}()
	return gone
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// share is how much of the work is done, 0 … 1.
func (c *crowd) share() float64 {
	if c.a.last != 0 {
		return float64(c.next-c.a.first) / float64(c.a.last-c.a.first+1)
	}
	return min(1, time.Since(c.begin).Seconds()/c.a.budget.Seconds())
}

func (c *crowd) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%3.0f %%  %d seeds, %v virtual, %d values chosen, %d crashes, %d failed",
		100*c.share(), c.stats.Runs, c.stats.Virtual.Round(time.Second), c.stats.Chosen, c.stats.Crashes, len(c.failures))
}

func (c *crowd) bar() string {
	const width = 24
	c.mu.Lock()
	n := int(c.share() * width)
	c.mu.Unlock()
	bar := make([]byte, 0, width)
	for i := range width {
		if i < n {
			bar = append(bar, '#')
		} else {
			bar = append(bar, '.')
		}
	}
	return fmt.Sprintf("[%s] %s", bar, c.line())
}
