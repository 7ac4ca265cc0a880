package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// chunk is how many instances are read back at once.
const chunk = 2048

// verified is a stretch of a group's log that all nodes agreed on.
type verified struct {
	group    int
	from, to uint64
	digest   [32]byte
}

// verifier reads the logs of all nodes back. It remembers the digest of
// everything it has seen, so that a change behind its back is found in the
// end.
type verifier struct {
	*cluster
	done []verified
}

// step judges what all nodes have in common by now.
func (v *verifier) step(ctx context.Context) error {
	all, err := v.statuses(ctx)
	if err != nil {
		return err
	}
	for g := range v.o.Groups {
		common := all[0].Now[g]
		for _, s := range all {
			common = min(common, s.Now[g])
		}
		for from := v.judged[g]; from < common; from = v.judged[g] {
			if err := v.stretch(ctx, g, from, min(common, from+chunk)); err != nil {
				return err
			}
		}
	}
	return nil
}

// stretch compares one stretch over all nodes and has the journal judge it.
func (v *verifier) stretch(ctx context.Context, group int, from, to uint64) error {
	// Another node lists its values each time, so that all of them do.
	reference := int(from/chunk) % len(v.nodes)
	answers, err := v.read(ctx, group, from, to, func(node int) bool { return node == reference })
	if err != nil {
		return err
	}
	for node, a := range answers {
		if a.Digest != answers[reference].Digest {
			return v.describe(ctx, group, from, to, reference, node)
		}
	}
	v.judge(group, to, answers[reference].Values)
	v.done = append(v.done, verified{group, from, to, answers[reference].Digest})
	return nil
}

// read asks all nodes for a stretch, all at once.
func (v *verifier) read(ctx context.Context, group int, from, to uint64, detail func(node int) bool) ([]*rangeAnswer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("reading the log back takes too long"))
	defer cancel()
	for i, n := range v.nodes {
		q := request{Range: &rangeRequest{Group: group, From: from, To: to, Detail: detail(i)}}
		if err := n.out.Encode(q); err != nil {
			return nil, fmt.Errorf("%w %d: %w", errChild, i, err)
		}
	}
	answers := make([]*rangeAnswer, len(v.nodes))
	for i, n := range v.nodes {
		a, err := await(ctx, n, n.ranges)
		if err != nil {
			return nil, err
		}
		answers[i] = a
	}
	return answers, nil
}

// describe finds the first place at which two nodes differ.
func (v *verifier) describe(ctx context.Context, group int, from, to uint64, a, b int) error {
	answers, err := v.read(ctx, group, from, to, func(node int) bool { return node == a || node == b })
	if err != nil {
		return err
	}
	at := func(values []chosen, i int) string {
		if i >= len(values) {
			return "nothing"
		}
		return fmt.Sprintf("%+v", values[i])
	}
	x, y := answers[a].Values, answers[b].Values
	first := 0
	for first < min(len(x), len(y)) && x[first] == y[first] {
		first++
	}
	v.Violate("nodes %d and %d differ in group %d, instances %d to %d: %s against %s",
		a, b, group, from, to-1, at(x, first), at(y, first))
	return errViolation
}

// settle waits until all nodes are equally far, and judges all there is.
func (v *verifier) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the nodes do not become equal"))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := v.statuses(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(s *status) bool { return !slices.Equal(s.Now, all[0].Now) }) {
			return v.step(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			v.Violate("%v: %s", context.Cause(ctx), positions(all))
			return errViolation
		}
	}
}

func positions(all []*status) string {
	text := ""
	for i, s := range all {
		text += fmt.Sprintf("node %d is at instances %d; ", i, s.Now)
	}
	return text
}

// again reads everything a second time: what was chosen once stays.
func (v *verifier) again(ctx context.Context) error {
	none := func(int) bool { return false }
	for _, d := range v.done {
		answers, err := v.read(ctx, d.group, d.from, d.to, none)
		if err != nil {
			return err
		}
		for node, a := range answers {
			if a.Digest != d.digest {
				v.Violate("node %d has changed its log of group %d between instances %d and %d", node, d.group, d.from, d.to-1)
			}
		}
	}
	return nil
}
