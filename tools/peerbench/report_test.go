package main

import (
	"strings"
	"testing"
)

func TestRatiosAreRoundByRound(t *testing.T) {
	a := []figure{{OpsPerSec: 100}, {OpsPerSec: 10}, {OpsPerSec: 90}}
	b := []figure{{OpsPerSec: 50}, {OpsPerSec: 10}, {OpsPerSec: 30}}
	if got := times(a, b); got != "2.00 (1.00–3.00)" {
		t.Errorf("got %s", got)
	}
	if got := times(a, nil); got != "–" {
		t.Errorf("nothing to compare with: %s", got)
	}
}

// A system counts as what its quickest variant does.
func TestBest(t *testing.T) {
	o, err := parseArgs(strings.Fields("-systems phxpaxos,bare -loads 1x100x1 -procs 0,1,2"))
	if err != nil {
		t.Fatal(err)
	}
	r := newResults(o)
	for i, v := range o.variants() {
		for _, ops := range [][]float64{{100, 10, 101}, {90, 120, 110}, {1, 1, 500}, {55, 55, 55}, {20, 30, 40}, {50, 60, 40}}[i] {
			r.add(o.loads[0], v, figure{OpsPerSec: ops})
		}
	}
	text := r.markdown()
	for _, want := range []string{
		"| phxpaxos, GOMAXPROCS=1 is quicker by |", "| **phxpaxos, GOMAXPROCS=1** | 110 ", "| phxpaxos | 100 ",
		"| **bare** | 55 ", "| bare, GOMAXPROCS=2 | 50 ", "2.00 (1.64–2.18)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(test.all); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.all, got, test.want)
		}
	}
}

func TestArgs(t *testing.T) {
	o, err := parseArgs(strings.Fields("-systems phxpaxos,etcd-raft-wal -loads 20x100x5,1x10x3 -rounds 2"))
	if err != nil || len(o.systems) != 2 || o.loads[0] != (load{1, 10, 3}) || o.loads[1] != (load{20, 100, 5}) {
		t.Fatalf("got %+v, %v", o, err)
	}
	for _, bad := range []string{"-systems none", "-loads 1x1", "-loads 0x1x1", "-rounds 0", "-measured 1ms", "-procs -1", "-procs x", "more"} {
		if _, err := parseArgs(strings.Fields(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
