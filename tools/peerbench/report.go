package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results keeps every figure, by load and variant, in the order of the rounds.
type results struct {
	o   *options
	all map[string]map[string][]figure
}

func newResults(o *options) *results {
	return &results{o: o, all: map[string]map[string][]figure{}}
}

func (r *results) add(l load, v variant, f figure) {
	if r.all[l.String()] == nil {
		r.all[l.String()] = map[string][]figure{}
	}
	r.all[l.String()][v.String()] = append(r.all[l.String()][v.String()], f)
}

// best is the quickest variant of a system at a load, "" if there is none.
func (r *results) best(by map[string][]figure, s system) string {
	name, most := "", 0.0
	for _, n := range r.o.procs {
		v := variant{s, n}.String()
		if ops := mid(by[v], opsPerSec); ops > most {
			name, most = v, ops
		}
	}
	return name
}

// markdown is a table for each load. The first system at its best is compared
// with all; the best of each other one is in bold.
func (r *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds, each load measured for %v after %v; %s, %d processors; medians, ratios with their least and greatest\n",
		r.o.rounds, r.o.measured, r.o.warmup, runtime.Version(), runtime.NumCPU())
	for _, l := range r.o.loads {
		by := r.all[l.String()]
		if len(by) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %v\n\n", l)
		first := r.best(by, r.o.systems[0])
		fmt.Fprintf(&b, "| system | ops/s | p50 ms | p99 ms | p99.9 ms | CPU s per 10k ops | peak MiB | %s is quicker by |\n", first)
		b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
		for _, v := range r.o.variants() {
			if fs := by[v.String()]; len(fs) > 0 {
				name := v.String()
				if name == r.best(by, v.system) {
					name = "**" + name + "**"
				}
				fmt.Fprintf(&b, "| %s | %.0f | %.2f | %.2f | %.2f | %.3f | %d | %s |\n", name,
					mid(fs, opsPerSec),
					mid(fs, func(f figure) float64 { return millis(f.P50) }),
					mid(fs, func(f figure) float64 { return millis(f.P99) }),
					mid(fs, func(f figure) float64 { return millis(f.P999) }),
					mid(fs, func(f figure) float64 { return f.CPUPer10k }),
					int(mid(fs, func(f figure) float64 { return float64(f.Peak) }))>>20,
					times(by[first], fs))
			}
		}
	}
	return b.String()
}

func opsPerSec(f figure) float64 { return f.OpsPerSec }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mid(fs []figure, of func(figure) float64) float64 {
	var all []float64
	for _, f := range fs {
		all = append(all, of(f))
	}
	return median(all)
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// times compares round by round: what both saw of the machine is alike there.
func times(a, b []figure) string {
	var all []float64
	for i := range min(len(a), len(b)) {
		if b[i].OpsPerSec > 0 {
			all = append(all, a[i].OpsPerSec/b[i].OpsPerSec)
		}
	}
	if len(all) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}
