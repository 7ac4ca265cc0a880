package main

import (
	"encoding/gob"
	"io"
	"sync"
)

// backlogMax bounds what waits for the parent: a client whose report does not
// fit waits, so a slow parent slows the load down.
const backlogMax = 1 << 16

// reporter carries what happens in a child to the parent. What was added in
// one call stands together and in order; a report is on the pipe at the
// latest when the next one is added. It is safe for concurrent use.
type reporter struct {
	mu     sync.Mutex
	cond   *sync.Cond
	next   report
	size   int
	answer []report // frames with an answer, each on its own
	closed bool
	done   chan struct{}
}

func newReporter(w io.Writer) *reporter {
	r := &reporter{done: make(chan struct{})}
	r.cond = sync.NewCond(&r.mu)
	go r.write(gob.NewEncoder(w))
	return r
}

// add lets edit put something into the next report.
func (r *reporter) add(edit func(*report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size >= backlogMax && !r.closed {
		r.cond.Wait()
	}
	edit(&r.next)
	r.size++
	r.cond.Broadcast()
}

// send puts a frame behind everything that was added so far.
func (r *reporter) send(frame report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = append(r.answer, r.next, frame)
	r.next, r.size = report{}, 0
	r.cond.Broadcast()
}

// close writes what is left and waits for it.
func (r *reporter) close() {
	r.mu.Lock()
	r.closed = true
	r.cond.Broadcast()
	r.mu.Unlock()
	<-r.done
}

// write is the goroutine that owns the pipe. It ends after close, or when the
// parent is gone.
func (r *reporter) write(out *gob.Encoder) {
	defer close(r.done)
	for {
		frames, more := r.take()
		for i := range frames {
			if err := out.Encode(&frames[i]); err != nil {
				r.fail()
				return
			}
		}
		if !more {
			return
		}
	}
}

// take waits for frames.
func (r *reporter) take() (frames []report, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size == 0 && len(r.answer) == 0 && !r.closed {
		r.cond.Wait()
	}
	frames, r.answer = r.answer, nil
	if r.size > 0 {
		frames = append(frames, r.next)
		r.next, r.size = report{}, 0
	}
	r.cond.Broadcast()
	return frames, !r.closed
}

// fail lets nobody wait for a parent that is gone.
func (r *reporter) fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cond.Broadcast()
}
