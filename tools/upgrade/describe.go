package main

import (
	"fmt"
	"strings"
	"time"
)

// describe says what was done and how it went.
func (r *runner) describe(err error, verbose bool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	unknown := 0
	for _, n := range r.unknown {
		unknown += n
	}
	fmt.Fprintf(&b, "\n%v (%s): %d values acknowledged, by node %v; %d calls without a result\n", r.s, r.dir, len(r.acks), r.ackedBy, unknown)
	fmt.Fprintf(&b, "  %-34s %9s %9s\n", "step", "took", "gap")
	for _, d := range r.done {
		gapText := ""
		if d.step.Op != opStart {
			gapText = millis(gap(r.acks, r.s.Groups, d.from, d.to))
		}
		fmt.Fprintf(&b, "  %-34s %9s %9s  %s\n", d.step, millis(d.to.Sub(d.from)), gapText, d.note)
	}
	for _, text := range sortedKeys(r.unknown) {
		fmt.Fprintf(&b, "  %5d × %s\n", r.unknown[text], text)
	}
	if verbose || err != nil {
		for v, counts := range r.counts {
			fmt.Fprintf(&b, "  events of the %v version:\n", version(v))
			for _, name := range sortedKeys(counts) {
				fmt.Fprintf(&b, "  %12d %s\n", counts[name], name)
			}
		}
	}
	if err == nil {
		fmt.Fprintf(&b, "  nothing is wrong\n")
		return b.String()
	}
	fmt.Fprintf(&b, "  FAILED: %v\n", err)
	for _, text := range r.violations {
		fmt.Fprintf(&b, "    %s\n", text)
	}
	return b.String()
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
