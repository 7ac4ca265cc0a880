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
	now   func() time.Time
	began time.Time
	shown time.Time
	drawn bool

	groups, group int   // of them, and the number of the one under way
	total, done   int64 // bytes of the group
}

func newProgress(out io.Writer, bar bool) *progress {
	now := time.Now()
	return &progress{out: out, bar: bar, now: time.Now, began: now, shown: now}
}

// onTerminal reports whether somebody looks at the file.
func onTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// beginGroup starts the n-th of several groups; total is how many bytes its
// records take.
func (p *progress) beginGroup(n, groups int, total int64) {
	if p != nil {
		p.group, p.groups, p.total, p.done = n, groups, max(total, 1), 0
	}
}

// at says that so many bytes of the group were examined.
func (p *progress) at(done int64) {
	if p == nil {
		return
	}
	p.done = min(done, p.total)
	every := lineEvery
	if p.bar {
		every = barEvery
	}
	if now := p.now(); now.Sub(p.shown) >= every {
		p.shown = now
		p.show(now)
	}
}

func (p *progress) show(now time.Time) {
	part := (float64(p.group) + float64(p.done)/float64(p.total)) / float64(p.groups)
	text := fmt.Sprintf("%3.0f %%, group %d of %d, %d of %d MiB, %.0f s",
		100*part, p.group+1, p.groups, p.done>>20, p.total>>20, now.Sub(p.began).Seconds())
	if !p.bar {
		fmt.Fprintln(p.out, text)
		return
	}
	const width = 30
	full := min(int(part*width), width)
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
