package main

import (
	"strings"
	"testing"
	"time"
)

func TestRow(t *testing.T) {
	result := func(n float64) result { return result{n, time.Millisecond, 2 * time.Millisecond} }
	r := row{kind: "put", callers: 10}
	for i, ours := range []float64{300, 100, 200} {
		r.ours = append(r.ours, result(ours))
		r.theirs = append(r.theirs, result(float64(100*(i+1))))
	}
	var out strings.Builder
	r.print(&out)
	want := "| put | 10 | 200 | 1.00 / 2.00 | 200 | 1.00 / 2.00 | 0.67 (0.50 to 3.00) |\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
