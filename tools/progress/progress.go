package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	barEvery = 200 * time.Millisecond // often enough to look alive
	barWidth = 30
)

// Printer shows how far a run is. A nil one shows nothing. It is for one
// goroutine.
type Printer struct {
	out   io.Writer
	bar   bool
	every time.Duration
	now   func() time.Time
	began time.Time
	shown time.Time
	drawn bool // a bar is on the last line of the terminal
}

// New returns a printer that draws a bar if out is a terminal, and prints a
// line every so often elsewhere. Work that ends sooner shows nothing.
func New(out io.Writer, lineEvery time.Duration) *Printer {
	return newPrinter(out, isTerminal(out), lineEvery, time.Now)
}

func newPrinter(out io.Writer, bar bool, every time.Duration, now func() time.Time) *Printer {
	if bar {
		every = barEvery
	}
	return &Printer{out: out, bar: bar, every: every, now: now, began: now(), shown: now()}
}

// isTerminal reports whether somebody looks at what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Due reports whether At would show anything now, for those to whom making the
// text would be a cost.
func (p *Printer) Due() bool {
	return p != nil && p.now().Sub(p.shown) >= p.every
}

// At says how much is done, 0..1, and in words where the work is.
func (p *Printer) At(part float64, text string) {
	if !p.Due() {
		return
	}
	if !p.bar {
		p.Say(text)
		return
	}
	p.shown = p.now()
	part = min(max(part, 0), 1)
	full := int(barWidth * part)
	fmt.Fprintf(p.out, "\r\x1b[K[%s%s] %3.0f %%, %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*part, text)
	p.drawn = true
}

// Say prints a line that stays, with the seconds since the start, in any case.
func (p *Printer) Say(text string) {
	if p == nil {
		return
	}
	p.End()
	p.shown = p.now()
	fmt.Fprintf(p.out, "[%6.1fs] %s\n", p.shown.Sub(p.began).Seconds(), text)
}

// End removes the bar.
func (p *Printer) End() {
	if p != nil && p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
