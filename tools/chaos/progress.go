package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// lineEvery is how often a run that nobody watches prints a line.
const lineEvery = 10 * time.Second

// progress tells a person at a terminal, or a log behind a pipe, how far the
// run is. It is used by one goroutine.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	lastLine time.Time
	drawn    bool // a bar is on the last line of the terminal
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, began: time.Now(), lastLine: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// round shows that a round is over.
func (p *progress) round(done, of int, c counts) {
	text := fmt.Sprintf("round %d of %d, %d values acknowledged, %d checked", done, of, c.Acked, c.Chosen)
	if p.terminal {
		const width = 30
		full := width * done / max(of, 1)
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
		p.drawn = true
		return
	}
	if time.Since(p.lastLine) >= lineEvery || done == of {
		p.say(text)
	}
}

// say prints a line.
func (p *progress) say(text string) {
	if p.drawn {
		fmt.Fprintln(p.w)
		p.drawn = false
	}
	fmt.Fprintf(p.w, "[%6.1fs] %s\n", time.Since(p.began).Seconds(), text)
	p.lastLine = time.Now()
}
