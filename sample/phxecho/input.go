package main

import (
	"bufio"
	"context"
	"errors"
	"io"
)

// lineBytesMax bounds the memory that a line without an end can take. It is
// more than any group accepts, so a line that was cut is refused as too large.
const lineBytesMax = 64 << 20

// lineReader reads lines on a goroutine of its own, because a read of a
// terminal cannot be interrupted. The goroutine ends with the input or, while
// it has a line to give, with its context.
type lineReader struct {
	lines chan []byte
	err   error // why lines was closed
}

func readLines(ctx context.Context, r io.Reader) *lineReader {
	l := &lineReader{lines: make(chan []byte)}
	go l.run(ctx, bufio.NewReader(r))
	return l
}

func (l *lineReader) run(ctx context.Context, r *bufio.Reader) {
	defer close(l.lines)
	for {
		line, err := readLine(r)
		if err != nil {
			l.err = err
			return
		}
		select {
		case l.lines <- line:
		case <-ctx.Done():
			l.err = ctx.Err()
			return
		}
	}
}

// next waits for a line. It returns io.EOF at the end of the input.
func (l *lineReader) next(ctx context.Context) ([]byte, error) {
	select {
	case line, ok := <-l.lines:
		if !ok {
			return nil, l.err
		}
		return line, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readLine returns a line without its newline. A last line needs none. A line
// longer than lineBytesMax is cut.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if room := lineBytesMax - len(line); len(part) > room {
			part = part[:room]
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			if n := len(line); n > 0 && line[n-1] == '\n' {
				line = line[:n-1]
			}
			return line, nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		default:
			return nil, err
		}
	}
}
