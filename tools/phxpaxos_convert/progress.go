package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// How often progress is shown. A run that ends sooner shows none.
const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// progress shows how far a run is: a bar on a terminal, lines elsewhere. A nil
// progress shows nothing. It is for one goroutine.
type progress struct {
	out   io.Writer
	bar   bool
	began time.Time
	shown time.Time
	drawn bool

	doing  string
	groups int
}

func newProgress(out io.Writer, bar bool) *progress {
	now := time.Now()
	return &progress{out: out, bar: bar, began: now, shown: now}
}

// onTerminal reports whether somebody looks at the file.
func onTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (p *progress) begin(doing string, groups int) {
	if p != nil {
		p.doing, p.groups = doing, groups
	}
}

// at says that a group is under way, and how many instances are done.
func (p *progress) at(group int, instances uint64) {
	if p == nil {
		return
	}
	every := lineEvery
	if p.bar {
		every = barEvery
	}
	now := time.Now()
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	text := fmt.Sprintf("%s: group %d of %d, %d instances, %.0f s", p.doing, group+1, p.groups, instances, now.Sub(p.began).Seconds())
	if !p.bar {
		fmt.Fprintln(p.out, text)
		return
	}
	const width = 30
	full := min(width*group/max(p.groups, 1), width)
	fmt.Fprintf(p.out, "\r[%s%s] %s\x1b[K", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
	p.drawn = true
}

// end removes the bar.
func (p *progress) end() {
	if p != nil && p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
