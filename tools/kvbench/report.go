package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// row is a kind of call with a number of callers.
type row struct {
	kind    string
	callers int
	ours    []result // by round
	theirs  []result
}

func median[T interface{ ~int64 | ~float64 }](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func pick[T any](results []result, of func(result) T) []T {
	var values []T
	for _, r := range results {
		values = append(values, of(r))
	}
	return values
}

// ratios are ours to theirs, round by round.
func (r *row) ratios() []float64 {
	var all []float64
	for i := range r.ours {
		all = append(all, r.ours[i].perSecond/r.theirs[i].perSecond)
	}
	return all
}

func header(w io.Writer) {
	fmt.Fprintln(w, "| call | callers | phxkv ops/s | p50 / p99 ms | etcd ops/s | p50 / p99 ms | phxkv : etcd, median (least to most) |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- |")
}

func (r *row) print(w io.Writer) {
	side := func(results []result) string {
		return fmt.Sprintf("%.0f | %.2f / %.2f", median(pick(results, func(r result) float64 { return r.perSecond })),
			ms(median(pick(results, func(r result) time.Duration { return r.p50 }))),
			ms(median(pick(results, func(r result) time.Duration { return r.p99 }))))
	}
	ratios := r.ratios()
	fmt.Fprintf(w, "| %s | %d | %s | %s | %.2f (%.2f to %.2f) |\n", r.kind, r.callers, side(r.ours), side(r.theirs),
		median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
