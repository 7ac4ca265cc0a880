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
	for _, bad := range []string{"-systems none", "-loads 1x1", "-loads 0x1x1", "-rounds 0", "-measured 1ms", "more"} {
		if _, err := parseArgs(strings.Fields(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
