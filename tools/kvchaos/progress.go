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
	of       time.Duration
	terminal bool
	began    time.Time
	last     time.Time
	drawn    bool // a bar is on the last line of the terminal
}

func newProgress(w io.Writer, of time.Duration) *progress {
	p := &progress{w: w, of: of, began: time.Now(), last: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// at shows how far it is.
func (p *progress) at(epoch, operations, lives int) {
	done := time.Since(p.began)
	text := fmt.Sprintf("epoch %d, %d calls answered, servers started %d times", epoch, operations, lives)
	if p.terminal {
		const width = 30
		full := int(width * min(done, p.of) / p.of)
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
		p.drawn = true
		return
	}
	if time.Since(p.last) >= lineEvery {
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
	p.last = time.Now()
}
