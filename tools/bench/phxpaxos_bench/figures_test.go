package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func packed(t *testing.T, latencies ...time.Duration) []byte {
	t.Helper()
	h := newHistogram()
	for _, l := range latencies {
		recordLatency(h, l)
	}
	data, err := h.EncodeV2()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFigures(t *testing.T) {
	before := counters{CPU: time.Second, DataSyncs: 7, LogBytes: 1000, DiskBytes: 5, DiskKnown: true, Instances: 100, AllocObjects: 9}
	after := before
	after.CPU += 2 * time.Second
	after.DataSyncs += 98
	after.DataTime += 98 * time.Millisecond
	after.FullSyncs += 1
	after.DirSyncs += 1
	after.LogBytes += 40000
	after.DiskBytes += 80000
	after.Instances += 100
	after.Packets += 200
	after.WireBytes += 20000
	after.AllocObjects += 3000
	after.PeakRSS = 64 << 20
	idle := after
	idle.AllocObjects = before.AllocObjects
	idle.PeakRSS = 1
	m := measurement{
		row: row{2, 100, 10}, before: []counters{before, before}, after: []counters{after, idle},
		outcomes: []*outcome{
			{Took: 2 * time.Second, Completed: 600, Histogram: packed(t, time.Millisecond, 2*time.Millisecond)},
			{Took: 2 * time.Second, Completed: 400, Unfinished: 1, Histogram: packed(t, 3*time.Millisecond)},
		},
	}
	f, err := m.figures()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"ops", float64(f.Ops), 1000}, {"unfinished", float64(f.Unfinished), 1},
		{"ops/s", f.OpsPerSec, 500}, {"CPU", f.CPUPer10kOps, 40},
		{"syncs/s", f.SyncsPerSec, 100}, {"syncs/op", f.SyncsPerOp, 0.2},
		{"syncs per instance and node", f.SyncsPerInstanceNode, 1},
		{"sync time", float64(f.DataSyncMean), float64(time.Millisecond)},
		{"ops per instance", f.OpsPerInstance, 10}, {"ops per sync", f.OpsPerSync, 10},
		{"disk", f.DiskPerPayload, 1.6}, {"log", f.LogPerPayload, 0.8},
		{"packets", f.PacketsPerOp, 0.4}, {"wire", f.WireBytesPerOp, 40},
		{"allocs", f.AllocsPerOp, 3}, {"allocs of the proposer", f.ProposerAllocsPerOp, 3},
		{"peak", float64(f.PeakRSS), 64 << 20},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	if !near(f.P50, 2*time.Millisecond) || !near(f.P999, 3*time.Millisecond) {
		t.Errorf("median %v, p99.9 %v", f.P50, f.P999)
	}
}

// A load during which nothing happened has figures without NaN, or JSON and
// the table would break.
func TestFiguresOfNothing(t *testing.T) {
	m := measurement{row: row{1, 1, 1}, before: make([]counters, 1), after: make([]counters, 1),
		outcomes: []*outcome{{Took: time.Second, Histogram: packed(t)}}}
	f, err := m.figures()
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(*f)
	for i := range v.NumField() {
		if x := v.Field(i); x.Kind() == reflect.Float64 && (math.IsNaN(x.Float()) || math.IsInf(x.Float(), 0)) {
			t.Errorf("%s is %v", v.Type().Field(i).Name, x.Float())
		}
	}
}

// since and plus must not forget a counter that is added to the struct.
func TestCountersCoverEveryField(t *testing.T) {
	var one, three counters
	for _, c := range []struct {
		to *counters
		n  int64
	}{{&one, 1}, {&three, 3}} {
		v := reflect.ValueOf(c.to).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Uint64:
				f.SetUint(uint64(c.n))
			case reflect.Int64:
				f.SetInt(c.n)
			case reflect.Bool:
				f.SetBool(true)
			}
		}
	}
	twice := one.plus(one)
	twice.PeakRSS = three.PeakRSS
	if got := three.since(one); got != twice {
		t.Errorf("3 - 1 is %+v", got)
	}
	if got := one.plus(three).since(three); got.CPU != 1 || got.PeakRSS != 3 {
		t.Errorf("1 + 3 - 3 is %+v", got)
	}
}

func TestParseField(t *testing.T) {
	const status = "Name:\tx\nVmHWM:\t    1234 kB\nwrite_bytes: 99\ncancelled_write_bytes: 5\nbad: x\n"
	for _, c := range []struct {
		name string
		want uint64
		ok   bool
	}{{"VmHWM:", 1234, true}, {"write_bytes:", 99, true}, {"VmRSS:", 0, false}, {"bad:", 0, false}} {
		if got, ok := parseField([]byte(status), c.name); got != c.want || ok != c.ok {
			t.Errorf("%s is %d, %v", c.name, got, ok)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		callers, nodes int
		want           []int
	}{{10, 3, []int{4, 3, 3}}, {1, 3, []int{1, 0, 0}}, {9, 3, []int{3, 3, 3}}} {
		if got := share(c.callers, c.nodes); !reflect.DeepEqual(got, c.want) {
			t.Errorf("share(%d, %d) = %v", c.callers, c.nodes, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.0123: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234567.8: "1 234 568"} {
		if got := number(x); got != want {
			t.Errorf("number(%v) = %q, want %q", x, got, want)
		}
	}
	for n, want := range map[int]string{100: "100 B", 2048: "2 KiB", 1 << 20: "1 MiB", 2050: "2050 B"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func someFigures() []*figures {
	return []*figures{
		{Groups: 1, ValueBytes: 100, Callers: 10, OpsPerSec: 5000, P99: time.Millisecond},
		{Groups: 1, ValueBytes: 100, Callers: 1, OpsPerSec: 1000},
		{Groups: 20, ValueBytes: 100, Callers: 1, OpsPerSec: 900},
		{Groups: 20, ValueBytes: 2048, Callers: 1, OpsPerSec: 0},
		{Groups: 20, ValueBytes: 4096, Callers: 7, OpsPerSec: 3, Unfinished: 4, DiskPerPayload: -1},
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	for _, all := range [][]*figures{nil, someFigures()[:1], someFigures()} {
		var b strings.Builder
		if err := writePlot(&b, "a < b & c", all); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("a number is not one:\n%s", b.String())
		}
		circles := 0
		for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, b.String())
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
				circles++
			}
		}
		want := 0
		for _, f := range all {
			if f.OpsPerSec > 0 {
				want++
			}
		}
		if circles != want {
			t.Errorf("%d points, want %d", circles, want)
		}
	}
}

func TestAxis(t *testing.T) {
	a := newAxis([]float64{3, 400}, 0, 300)
	if a.low != 1 || a.high != 1000 || math.Abs(a.at(10)-100) > 1e-9 || len(a.ticks()) != 4 {
		t.Errorf("axis %+v, 10 at %v, ticks %v", a, a.at(10), a.ticks())
	}
}

// Every row of the Markdown table has as many cells as its head.
func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := writeMarkdown(&b, []string{"about"}, someFigures()); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "|") {
			lines++
			if n := strings.Count(line, "|"); n != len(columns)+1 {
				t.Errorf("%d bars in %q", n, line)
			}
		}
	}
	if lines != len(someFigures())+2 || !strings.Contains(b.String(), "4 operations were not finished") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		row     int
		running time.Duration
		want    int
	}{{0, 0, 0}, {0, 2 * time.Second, 15}, {1, 0, 15}, {1, time.Hour, 30}} {
		if got := strings.Count(bar(c.row, 2, c.running, 2*time.Second), "#"); got != c.want {
			t.Errorf("row %d after %v: %d of 30", c.row, c.running, got)
		}
	}
}
