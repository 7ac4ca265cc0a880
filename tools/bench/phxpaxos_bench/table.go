package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// column is one figure in a table. In the terminal the heading has two lines.
type column struct {
	head, unit string
	width      int
	cell       func(f *figures) string
}

var columns = []column{
	{"groups", "", 6, func(f *figures) string { return fmt.Sprint(f.Groups) }},
	{"value", "", 7, func(f *figures) string { return size(f.ValueBytes) }},
	{"callers", "", 7, func(f *figures) string { return fmt.Sprint(f.Callers) }},
	{"ops/s", "", 8, func(f *figures) string { return number(f.OpsPerSec) }},
	{"p50", "ms", 7, func(f *figures) string { return millis(f.P50) }},
	{"p99", "ms", 7, func(f *figures) string { return millis(f.P99) }},
	{"p99.9", "ms", 7, func(f *figures) string { return millis(f.P999) }},
	{"CPU %", "of 1", 6, func(f *figures) string { return number(f.CPUPercent) }},
	{"CPU s", "/10k ops", 8, func(f *figures) string { return number(f.CPUPer10kOps) }},
	{"syncs", "/s", 7, func(f *figures) string { return number(f.SyncsPerSec) }},
	{"syncs", "/op", 7, func(f *figures) string { return number(f.SyncsPerOp) }},
	{"syncs", "/inst·node", 10, func(f *figures) string { return number(f.SyncsPerInstanceNode) }},
	{"sync", "ms", 7, func(f *figures) string { return millis(f.DataSyncMean) }},
	{"ops", "/instance", 9, func(f *figures) string { return number(f.OpsPerInstance) }},
	{"ops", "/sync", 7, func(f *figures) string { return number(f.OpsPerSync) }},
	{"disk B", "/value B", 8, func(f *figures) string {
		if f.DiskPerPayload < 0 {
			return "–"
		}
		return number(f.DiskPerPayload)
	}},
	{"log B", "/value B", 8, func(f *figures) string { return number(f.LogPerPayload) }},
	{"packets", "/op", 7, func(f *figures) string { return number(f.PacketsPerOp) }},
	{"wire B", "/op", 8, func(f *figures) string { return number(f.WireBytesPerOp) }},
	{"allocs", "/op", 7, func(f *figures) string { return number(f.AllocsPerOp) }},
	{"peak", "MiB", 6, func(f *figures) string {
		if f.PeakRSS == 0 {
			return "–"
		}
		return fmt.Sprint(f.PeakRSS >> 20)
	}},
}

// legend says what the headings are short for.
const legend = `
All figures are over all processes, but: CPU %, syncs/inst·node, ops/sync and
peak are of one node. syncs: fdatasync and fsync calls; sync ms: what an fdatasync took
on average. ops/instance: the size of a batch. log B: bytes that the log wrote
into its files for each byte of a value. disk B: the same as /proc/<pid>/io
counts it, in whole pages of the system's cache.
`

func writeHead(w io.Writer) {
	for _, line := range []func(c column) string{
		func(c column) string { return c.head },
		func(c column) string { return c.unit },
	} {
		for _, c := range columns {
			fmt.Fprintf(w, " %*s", c.width, line(c))
		}
		fmt.Fprintln(w)
	}
}

func writeRow(w io.Writer, f *figures) {
	for _, c := range columns {
		fmt.Fprintf(w, " %*s", c.width, c.cell(f))
	}
	if f.Stalled {
		fmt.Fprint(w, "  disk stalled")
	}
	if f.Unfinished > 0 {
		fmt.Fprintf(w, "  %d unfinished", f.Unfinished)
	}
	fmt.Fprintln(w)
}

// writeMarkdown writes the table as Markdown, with what it was measured on.
func writeMarkdown(w io.Writer, about []string, all []*figures) error {
	var b strings.Builder
	for _, line := range about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	b.WriteString("\n|")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", strings.TrimSpace(c.head+" "+c.unit))
	}
	b.WriteString("\n|" + strings.Repeat(" ---: |", len(columns)) + "\n")
	for _, f := range all {
		b.WriteString("|")
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", c.cell(f))
		}
		b.WriteString("\n")
	}
	for _, f := range all {
		if f.Stalled {
			fmt.Fprintf(&b, "\n%d groups, %s, %d callers with %s ops/s: the disk of the first proposing node stood still.\n",
				f.Groups, size(f.ValueBytes), f.Callers, number(f.OpsPerSec))
		}
		if f.Unfinished > 0 {
			fmt.Fprintf(&b, "\n%d groups, %s, %d callers: %d operations were not finished %v after the end.\n",
				f.Groups, size(f.ValueBytes), f.Callers, f.Unfinished, drainMax)
		}
	}
	b.WriteString(legend)
	_, err := io.WriteString(w, b.String())
	return err
}

// number prints about three digits, and thousands apart.
func number(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x >= 1000:
		return thousands(int64(x + 0.5))
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func millis(d time.Duration) string { return number(float64(d) / float64(time.Millisecond)) }

func size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}
