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
// run is.
type progress struct {
	w        io.Writer
	terminal bool
	lastLine time.Time
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, lastLine: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) round(done, of int, text string) {
	const width = 30
	full := width * done / of
	switch {
	case p.terminal && done < of:
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %d of %d, %s", strings.Repeat("#", full), strings.Repeat(".", width-full), done, of, text)
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d, %s\n", done, of, text)
	case time.Since(p.lastLine) >= lineEvery || done == of:
		fmt.Fprintf(p.w, "%d of %d, %s\n", done, of, text)
		p.lastLine = time.Now()
	}
}
