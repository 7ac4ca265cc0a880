package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Sizes of the plot, in pixels.
const (
	panelWidth   = 420
	panelHeight  = 300
	marginLeft   = 70
	marginRight  = 20
	marginTop    = 40
	marginBottom = 50
	panelsInRow  = 2
	legendHeight = 30
)

// colours can be told apart by the colour-blind as well.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// axis maps numbers to pixels, by their logarithm.
type axis struct {
	low, high float64 // of the numbers
	from, to  float64 // of the pixels
}

// newAxis takes whole powers of ten around the numbers.
func newAxis(numbers []float64, from, to float64) axis {
	low, high := slices.Min(numbers), slices.Max(numbers)
	a := axis{math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high))), from, to}
	if a.low == a.high {
		a.high *= 10
	}
	return a
}

func (a axis) at(x float64) float64 {
	return a.from + (a.to-a.from)*math.Log(x/a.low)/math.Log(a.high/a.low)
}

// ticks are the powers of ten.
func (a axis) ticks() []float64 {
	var all []float64
	for x := a.low; x <= a.high*1.0001; x *= 10 {
		all = append(all, x)
	}
	return all
}

// writePlot writes throughput over callers as SVG: a panel for each size of
// value, in it a line for each number of groups. All panels have the same
// scale. Loads without an operation cannot be shown and are left out.
func writePlot(w io.Writer, title string, all []*figures) error {
	all = slices.DeleteFunc(slices.Clone(all), func(f *figures) bool { return f.OpsPerSec <= 0 })
	values := distinct(all, func(f *figures) int { return f.ValueBytes })
	groups := distinct(all, func(f *figures) int { return f.Groups })
	inRow := max(1, min(panelsInRow, len(values)))
	rows := (len(values) + inRow - 1) / inRow
	width, height := inRow*panelWidth, rows*panelHeight+2*legendHeight

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="14">%s</text>`+"\n", 12, escape(title))
	if len(all) > 0 {
		var callers, ops []float64
		for _, f := range all {
			callers, ops = append(callers, float64(f.Callers)), append(ops, f.OpsPerSec)
		}
		x := newAxis(callers, marginLeft, panelWidth-marginRight)
		y := newAxis(ops, panelHeight-marginBottom, marginTop)
		writeLegend(&b, groups)
		for i, v := range values {
			fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%inRow*panelWidth, i/inRow*panelHeight+2*legendHeight)
			writePanel(&b, "values of "+size(v), x, y)
			for j, g := range groups {
				writeLine(&b, colours[j%len(colours)], x, y, slices.DeleteFunc(slices.Clone(all), func(f *figures) bool {
					return f.ValueBytes != v || f.Groups != g
				}))
			}
			b.WriteString("</g>\n")
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeLegend(b *strings.Builder, groups []int) {
	for i, g := range groups {
		text := fmt.Sprintf("%d groups", g)
		if g == 1 {
			text = "1 group"
		}
		x := 12 + i*110
		fmt.Fprintf(b, `<line x1="%d" y1="44" x2="%d" y2="44" stroke="%s" stroke-width="2"/><text x="%d" y="48">%s</text>`+"\n",
			x, x+20, colours[i%len(colours)], x+26, text)
	}
}

// writePanel draws frame, grid and axes.
func writePanel(b *strings.Builder, title string, x, y axis) {
	fmt.Fprintf(b, `<text x="%g" y="%d" text-anchor="middle" font-weight="bold">%s</text>`+"\n",
		(x.from+x.to)/2, marginTop-12, escape(title))
	for _, t := range x.ticks() {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%g" x2="%.1f" y2="%g" stroke="#ddd"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n",
			x.at(t), y.from, x.at(t), y.to, x.at(t), y.from+18, thousands(int64(t)))
	}
	for _, t := range y.ticks() {
		fmt.Fprintf(b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n",
			x.from, y.at(t), x.to, y.at(t), x.from-6, y.at(t)+4, number(t))
	}
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">callers</text>`+"\n", (x.from+x.to)/2, y.from+38)
	fmt.Fprintf(b, `<text x="14" y="%g" text-anchor="middle" transform="rotate(-90 14 %g)">operations a second</text>`+"\n",
		(y.from+y.to)/2, (y.from+y.to)/2)
}

func writeLine(b *strings.Builder, colour string, x, y axis, points []*figures) {
	slices.SortFunc(points, func(a, b *figures) int { return a.Callers - b.Callers })
	var line []string
	for _, f := range points {
		px, py := x.at(float64(f.Callers)), y.at(f.OpsPerSec)
		line = append(line, fmt.Sprintf("%.1f,%.1f", px, py))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%d groups, %d callers: %s ops/s, p99 %s ms</title></circle>`+"\n",
			px, py, colour, f.Groups, f.Callers, number(f.OpsPerSec), millis(f.P99))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), colour)
}

// distinct are the values that occur, sorted.
func distinct(all []*figures, of func(*figures) int) []int {
	var out []int
	for _, f := range all {
		out = append(out, of(f))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
