package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sim"
)

// playSeed runs one seed, or what is left of it.
func playSeed(a arguments) (ok bool, err error) {
	p := sim.NewPlanOf(a.kind, a.seed, a.nodes, a.groups)
	p.Skip = a.skip
	if err := p.Without(a.without...); err != nil {
		return false, err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	o := a.options()
	if a.trace {
		fmt.Fprint(out, p.String())
		o.Trace = out
	}
	begin := time.Now()
	res := sim.Run(p, o)
	used := time.Since(begin)
	if cpu := cpuTime(); cpu > 0 {
		used = cpu
	}
	printStats(out, &res.Stats, used)
	fmt.Fprintf(out, "digest %016x\n", res.Digest)
	if res.Violation == nil {
		fmt.Fprintln(out, "everything held")
		return true, nil
	}
	fmt.Fprintln(out, "VIOLATION:", res.Violation)
	return false, nil
}

// playScript plays a scenario as it is written, all safety rules on.
func playScript(a arguments) (ok bool, err error) {
	text, err := os.ReadFile(a.script)
	if err != nil {
		return false, err
	}
	s, err := sim.ParseScript(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", a.script, err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, s.Claim)
	o := a.options()
	if a.trace {
		o.Trace = out
	}
	res, err := sim.RunScript(s, o, "")
	switch {
	case err != nil:
		fmt.Fprintf(out, "NOT AS EXPECTED: %s: %v\n", a.script, err)
		return false, nil
	case res.Violation != nil:
		fmt.Fprintln(out, "VIOLATION:", res.Violation)
		return false, nil
	}
	fmt.Fprintln(out, "everything held")
	return true, nil
}
