package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

const (
	pipelineDefault = 64   // keeps three groups and a disk busy
	pipelineMax     = 4096 // calls of one connection that a server runs at once
	// lineBytesMax holds the largest value in hex.
	lineBytesMax = 2*phxkv.OperationBytesMax + 4096
)

// job is one line on its way.
type job struct {
	op     operation
	answer client.Answer
	done   chan struct{}
}

// batch runs the commands of a file, many at a time. Those of one key run one
// after the other, in their order; answers are printed in the order of the
// lines.
func (t *tool) batch(ctx context.Context) int {
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	pipeline := flags.Int("pipeline", pipelineDefault, "how many calls run at a time, 1..4096")
	quiet := flags.Bool("quiet", false, "print the last line only, and failures")
	if exit, ok := t.parseFlags(flags, 1); !ok {
		return exit
	}
	if *pipeline < 1 || *pipeline > pipelineMax {
		t.warn("batch: -pipeline is %d, must be in 1..%d", *pipeline, pipelineMax)
		return exitUsage
	}
	in, size := t.stdin, int64(0)
	if name := flags.Arg(0); name != "" && name != "-" {
		f, err := os.Open(name)
		if err != nil {
			t.warn("batch: %v", err)
			return exitFail
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // lets reader and callers end when this returns early
	p := newPipeline(t, ctx, *pipeline)
	read := make(chan error, 1)
	go func() { read <- p.read(in) }()
	result := p.print(size, *quiet)
	if err := <-read; err != nil {
		t.warn("batch: %v", err)
		return exitFail
	}
	return result
}

// pipeline is the lanes in which jobs run, one job at a time in each, and the
// queue of all jobs in the order of their lines.
type pipeline struct {
	t     *tool
	ctx   context.Context
	lanes []chan *job
	order chan *job
	bytes chan int64 // how much was read, for the bar
}

func newPipeline(t *tool, ctx context.Context, lanes int) *pipeline {
	p := &pipeline{t: t, ctx: ctx, order: make(chan *job, 2*lanes), bytes: make(chan int64, 1)}
	for range lanes {
		lane := make(chan *job, 1)
		p.lanes = append(p.lanes, lane)
		go func() {
			for j := range lane {
				call, cancel := t.context(ctx)
				j.answer = j.op.run(call, t.client)
				cancel()
				close(j.done)
			}
		}()
	}
	return p
}

// read puts every line in its lane. It ends the pipeline at the end.
func (p *pipeline) read(in io.Reader) error {
	defer func() {
		for _, lane := range p.lanes {
			close(lane)
		}
		close(p.order)
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytesMax)
	read := int64(0)
	for number := 1; lines.Scan(); number++ {
		read += int64(len(lines.Bytes())) + 1
		op, err := parseLine(lines.Text(), p.t.encoding)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if op == nil {
			continue
		}
		j := &job{op: *op, done: make(chan struct{})}
		select {
		case p.order <- j:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
		p.lanes[laneOf(op.key, len(p.lanes))] <- j // it moves on: calls end
		select {
		case p.bytes <- read:
		default: // only a picture
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line has more than %d bytes", lineBytesMax)
	}
	return lines.Err()
}

// laneOf is FNV-1a, so that equal keys share a lane.
func laneOf(key string, lanes int) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h % uint32(lanes))
}

// print waits for the answers in the order of the lines.
func (p *pipeline) print(size int64, quiet bool) int {
	var ok, conflicts, missing, failed int
	show := newBar(p.t.stderr, size)
	out := bufio.NewWriter(p.t.stdout)
	for j := range p.order {
		<-j.done
		switch j.answer.Code {
		case phxkv.CodeOK:
			ok++
		case phxkv.CodeVersionConflict:
			conflicts++
		case phxkv.CodeNotExist:
			missing++
		default:
			failed++
			if j.answer.Err != nil {
				show.clear()
				p.t.warn("%s %s: %v", j.op.name, p.t.encoding.encode(j.op.key), j.answer.Err)
			}
		}
		if !quiet {
			out.WriteString(j.op.describe(j.answer, p.t.encoding)) // Flush below says if it failed
		}
		select {
		case read := <-p.bytes:
			show.at(read, ok+conflicts+missing+failed)
		default:
		}
	}
	show.clear()
	fmt.Fprintf(out, "Batch ok %d conflict %d notexist %d fail %d\n", ok, conflicts, missing, failed)
	if err := out.Flush(); err != nil {
		p.t.warn("writing the answers: %v", err)
		return exitFail
	}
	if failed > 0 {
		return exitFail
	}
	return exitOK
}

// parseLine reads one command. Empty lines and those that begin with # are
// nil.
func parseLine(line string, e encoding) (*operation, error) {
	words, err := splitWords(line)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return nil, nil
	}
	op := &operation{name: words[0]}
	c, known := commands()[op.name]
	if !known || !c.original {
		return nil, fmt.Errorf("there is no command %q, must be put, getlocal, getglobal or delete", op.name)
	}
	if len(words) != 1+c.least {
		return nil, fmt.Errorf("%s has %d words behind it, must be %d; a word with spaces is quoted", op.name, len(words)-1, c.least)
	}
	if op.key, err = e.decode(words[1]); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if op.name == "put" {
		value, err := e.decode(words[2])
		if err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
		op.value = []byte(value)
	}
	if op.name == "put" || op.name == "delete" {
		last := words[len(words)-1]
		if op.version, err = strconv.ParseUint(last, 10, 64); err != nil {
			return nil, fmt.Errorf("version %q is no number from 0 to 18446744073709551615", last)
		}
	}
	return op, nil
}

// splitWords splits at white space. A word in double quotes is read as in Go.
func splitWords(line string) (words []string, err error) {
	const space = " \t\r"
	for line = strings.TrimLeft(line, space); line != ""; line = strings.TrimLeft(line, space) {
		if line[0] != '"' {
			end := strings.IndexAny(line, space)
			if end < 0 {
				end = len(line)
			}
			words, line = append(words, line[:end]), line[end:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("the quote in %q does not end, or holds a wrong escape", line)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted, err)
		}
		line = line[len(quoted):]
		if line != "" && !strings.ContainsRune(space, rune(line[0])) {
			return nil, fmt.Errorf("something follows the quote in %q without a space", quoted)
		}
		words = append(words, word)
	}
	return words, nil
}
