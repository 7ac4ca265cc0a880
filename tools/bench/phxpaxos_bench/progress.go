package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress tells a person at a terminal, with a bar, or a log behind a pipe,
// with lines, how far the run is. Its methods are safe for concurrent use.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	rows     int
	eachRow  time.Duration

	mu    sync.Mutex
	row   int // that runs, from 0
	text  string
	since time.Time // it has been running
	drawn bool      // a bar is on the last line
	stop  chan struct{}
	ended sync.WaitGroup
}

// redrawEvery is often enough for a bar to look alive.
const redrawEvery = 200 * time.Millisecond

// newProgress shows rows loads on w, each of which takes about eachRow.
func newProgress(w io.Writer, rows int, eachRow time.Duration) *progress {
	p := &progress{w: w, terminal: isTerminal(w), began: time.Now(), rows: rows, eachRow: eachRow, stop: make(chan struct{})}
	if p.terminal {
		p.ended.Go(func() {
			tick := time.NewTicker(redrawEvery)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					p.mu.Lock()
					p.draw(time.Now())
					p.mu.Unlock()
				case <-p.stop:
					return
				}
			}
		})
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// step says that a row begins, or is at another step.
func (p *progress) step(row int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if row != p.row || p.since.IsZero() {
		p.since = now
	}
	p.row, p.text = row, text
	if !p.terminal {
		fmt.Fprintf(p.w, "[%6.1fs] %d of %d: %s\n", now.Sub(p.began).Seconds(), row+1, p.rows, text)
		return
	}
	p.draw(now)
}

// draw draws the bar; the caller holds mu.
func (p *progress) draw(now time.Time) {
	if p.text == "" {
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", bar(p.row, p.rows, now.Sub(p.since), p.eachRow)+" "+p.text)
	p.drawn = true
}

// bar is how far a row has come, of all rows. A row that takes longer than it
// should stands at its end.
func bar(row, rows int, running, each time.Duration) string {
	const width = 30
	done := float64(row) + min(1, ratio(float64(running), float64(each)))
	full := min(width, int(width*done/float64(max(rows, 1))))
	return fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", full), strings.Repeat(".", width-full), row+1, rows)
}

// clear takes the bar away, so that something else can be printed.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = ""
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// close ends the bar's goroutine.
func (p *progress) close() {
	close(p.stop)
	p.ended.Wait()
	p.clear()
}
