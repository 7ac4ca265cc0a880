package main

import (
	"io"
	"reflect"
	"strings"
	"testing"
)

func parse(args string) (*options, error) { return parseArgs(strings.Fields(args), io.Discard) }

func TestDefaultsAreTheTableThatMakeBenchShows(t *testing.T) {
	o, err := parse("")
	if err != nil {
		t.Fatal(err)
	}
	want := []row{{1, 100, 1}, {1, 100, 10}, {1, 100, 100}, {1, 100, 1000}}
	if got := o.rows(); !reflect.DeepEqual(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if o.Nodes != 3 || !o.Durable || !o.Batch || o.At != 1 || o.Seconds != 3 || o.Rate != 0 || o.Markdown != "" {
		t.Errorf("defaults are %+v", o)
	}
}

func TestFlagsAreRead(t *testing.T) {
	o, err := parse("-groups 7 -value 2KiB -callers 3,5 -durable off -batch off -seconds 0.5 -warmup 0 -nodes 5 -at all -json")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := o.rows(), []row{{7, 2048, 3}, {7, 2048, 5}}; !reflect.DeepEqual(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if o.Durable || o.Batch || o.Seconds != 0.5 || o.Warmup != 0 || o.Nodes != 5 || o.At != 0 || !o.JSON {
		t.Errorf("got %+v", o)
	}
}

func TestOpenLoopHasOneRow(t *testing.T) {
	o, err := parse("-rate 5000")
	if err != nil || !reflect.DeepEqual(o.Callers, []int{openCallers}) {
		t.Errorf("callers %v, %v", o.Callers, err)
	}
	o, err = parse("-rate 5000 -callers 50")
	if err != nil || !reflect.DeepEqual(o.Callers, []int{50}) {
		t.Errorf("callers %v, %v", o.Callers, err)
	}
}

func TestMatrixIsAProduct(t *testing.T) {
	o, err := parse("-matrix -matrix-groups 1,2 -matrix-values 16B,1MiB -matrix-callers 4")
	if err != nil {
		t.Fatal(err)
	}
	want := []row{{1, 16, 4}, {1, 1 << 20, 4}, {2, 16, 4}, {2, 1 << 20, 4}}
	if got := o.rows(); !reflect.DeepEqual(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if o.Markdown == "" || o.SVG == "" {
		t.Error("a matrix is written nowhere")
	}
}

func TestJoin(t *testing.T) {
	o, err := parse("-join 10.0.0.1:1,10.0.0.2:1,10.0.0.3:1 -me 10.0.0.2:1 -at 2")
	if err != nil || len(o.Join) != 3 || o.Me != 1 || o.Nodes != 3 {
		t.Errorf("got %+v, %v", o, err)
	}
}

// What cannot work is refused, and the message names the flag.
func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-groups 0", "-groups is 0, must be in 1..100000"},
		{"-groups 100001", "-groups is 100001"},
		{"-value 0", "-value is 0, must be in 1.."},
		{"-value 9MiB", "-value is 9437184"},
		{"-value 1TiB", "-value"},
		{"-cluster_secret_mode send", "needs -cluster_secret_file"},
		{"-cluster_secret_file /nowhere", "/nowhere"},
		{"-value -3", "-value"},
		{"-callers -1", "-callers is -1, must be in 0..100000"},
		{"-callers 1,x", "-callers"},
		{"-callers ,", "-callers"},
		{"-durable maybe", "on or off"},
		{"-seconds 0", "-seconds is 0, must be in 0.1..3600"},
		{"-seconds NaN", "-seconds is NaN"},
		{"-warmup -1", "-warmup is -1"},
		{"-rate -1", "-rate is -1"},
		{"-rate Inf", "-rate is +Inf"},
		{"-batch-delay -1s", "-batch-delay is -1s, must be in 0..1s"},
		{"-batch-delay 1ms -batch off", "-batch-delay needs -batch on"},
		{"-log -1", "-log is -1, must be in 0..100000000"},
		{"-log 1 -join 127.0.0.1:1 -me 127.0.0.1:1", "-log and -join exclude each other"},
		{"-nodes 0", "-nodes is 0, must be in 1..9"},
		{"-nodes 10", "-nodes is 10"},
		{"-at 4", "-at is 4, must be in 1..3 or all"},
		{"-at none", "-at"},
		{"-matrix -callers 3", "-matrix and -callers exclude each other"},
		{"-matrix -rate 3", "-matrix and -rate exclude each other"},
		{"-matrix-groups 3", "-matrix-groups needs -matrix"},
		{"-matrix -matrix-values 16,9MiB", "-matrix-values is 9437184"},
		{"-join 10.0.0.1:1", "-join and -me need each other"},
		{"-me 10.0.0.1:1", "-join and -me need each other"},
		{"-join 10.0.0.1:1 -me 10.0.0.2:1", "-me is 10.0.0.2:1, must be one of the addresses of -join"},
		{"-join 10.0.0.1:1,10.0.0.1:1 -me 10.0.0.1:1", "-join has 10.0.0.1:1 twice"},
		{"-join here -me 10.0.0.1:1", "-join"},
		{"-join 10.0.0.1:1 -me 10.0.0.1:1 -nodes 3", "-join and -nodes exclude each other"},
		{"-quick", "-quick"},
		{"fast", `unexpected argument "fast"`},
	} {
		if _, err := parse(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.args, err, c.want)
		}
	}
}
