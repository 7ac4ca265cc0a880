package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/phxecho/echo"
)

func TestMachineAnswersWithACopyOfTheValue(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	c.start("")
	value := []byte("hello")
	result, err := machine{echo.Machine{}, c}.Execute(sm.Entry{Instance: 7, Value: value})
	if err != nil {
		t.Fatal(err)
	}
	value[0] = 'X' // the entry's memory is the group's again
	if string(result) != "hello" {
		t.Errorf("result %q, want hello", result)
	}
	if want := "[SM Execute] ok, smid 1 instanceid 7 value hello\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestConsoleShowsReplayThenBannerThenTheRest(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	c.executed(sm.Entry{Instance: 0, Replay: true, Value: []byte("replayed")})
	c.executed(sm.Entry{Instance: 1, Value: []byte("taught while starting")})
	c.start("banner\n")
	c.executed(sm.Entry{Instance: 2, Value: []byte("cut\x00here")})
	want := "[SM Execute] ok, smid 1 instanceid 0 value replayed\n" +
		"banner\n" +
		"[SM Execute] ok, smid 1 instanceid 1 value taught while starting\n" +
		"[SM Execute] ok, smid 1 instanceid 2 value cut\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

// oneLineWriter fails the test when a Write does not end its line.
type oneLineWriter struct{ t *testing.T }

func (w oneLineWriter) Write(b []byte) (int, error) {
	if !bytes.HasSuffix(b, []byte("\n")) {
		w.t.Errorf("a write ends within a line: %q", b)
	}
	return len(b), nil
}

func TestConsoleWritesWholeLinesOnly(t *testing.T) {
	c := newConsole(oneLineWriter{t})
	c.start("banner\n" + prompt)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				c.executed(sm.Entry{Instance: uint64(i), Value: []byte("v")})
				c.print("echo resp value v\n" + prompt)
			}
		})
	}
	wg.Wait()
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a\n\nb\n", []string{"a", "", "b"}},
		{"no newline", []string{"no newline"}},
		{" spaces  stay \r\n", []string{" spaces  stay \r"}},
		{long + "\nnext", []string{long, "next"}},
	}
	for _, tt := range tests {
		r := bufio.NewReader(strings.NewReader(tt.in))
		var got []string
		for {
			line, err := readLine(r)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
			t.Errorf("lines of %.40q are %.80q, want %.80q", tt.in, got, tt.want)
		}
	}
}

// endless is a line that never ends.
type endless struct{ left int }

func (e *endless) Read(b []byte) (int, error) {
	n := min(len(b), e.left)
	for i := range b[:n] {
		b[i] = 'x'
	}
	if e.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestReadLineBoundsItsMemory(t *testing.T) {
	line, err := readLine(bufio.NewReader(&endless{left: 2 * lineBytesMax}))
	if err != nil || len(line) != lineBytesMax {
		t.Errorf("%d bytes, %v; want %d", len(line), err, lineBytesMax)
	}
}

func TestReaderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, keep := io.Pipe()
	defer keep.Close()
	l := readLines(ctx, in)
	cancel()
	if _, err := l.next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("next: %v, want context.Canceled", err)
	}
}

func TestParseArgs(t *testing.T) {
	const me, list = "127.0.0.1:11111", "127.0.0.1:11111,127.0.0.1:11112"
	tests := []struct {
		args           string
		log, dir, path string
	}{
		{me + " " + list, "./log", ".", "./logpath_127.0.0.1_11111"},
		{"-log_dir l -storage_dir s " + me + " " + list, "l", "s", "s/logpath_127.0.0.1_11111"},
		{me + " --storage_dir=/s " + list + " -log_dir l", "l", "/s", "/s/logpath_127.0.0.1_11111"},
	}
	for _, tt := range tests {
		var stderr bytes.Buffer
		o, _, ok := parseArgs(append([]string{"phxecho"}, strings.Fields(tt.args)...), io.Discard, &stderr)
		if !ok || stderr.Len() > 0 {
			t.Errorf("%s: refused: %s", tt.args, stderr.String())
			continue
		}
		if o.logDir != tt.log || o.StorageDir != tt.dir || o.LogPath() != tt.path || len(o.Nodes) != 2 || o.Me != o.Nodes[0] {
			t.Errorf("%s: %+v, path %s", tt.args, o, o.LogPath())
		}
	}
}
