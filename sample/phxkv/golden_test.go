package phxkv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// goldenPath is a file recorded from original nodes; the test is skipped when
// the recordings are not beside this checkout.
func goldenPath(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "golden", name)
		if _, err := os.Stat(path); err == nil {
			return path
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("shared/golden/%s is not there: nothing to compare with", name)
		}
		dir = parent
	}
}

// step is one command of a transcript, or a heading.
type step struct {
	heading string
	command string
	stdout  string
	exit    string // what is in the brackets
}

var exitLine = regexp.MustCompile(`^\[exit (.*), [0-9.]+s\]$`)

func readTranscript(t *testing.T, name string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(goldenPath(t, "transcripts/"+name))
	if err != nil {
		t.Fatal(err)
	}
	var now *step
	for line := range strings.Lines(string(text)) {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "### "):
			steps = append(steps, step{heading: bare[4:]})
		case strings.HasPrefix(line, "$ "):
			now = &step{command: bare[2:]}
		case now != nil && exitLine.MatchString(bare):
			now.exit = exitLine.FindStringSubmatch(bare)[1]
			steps, now = append(steps, *now), nil
		case now != nil:
			now.stdout += line
		}
	}
	return steps
}

// walk plays the original's transcript at real servers.
type walk struct {
	*cluster
	role [3]int // which of our nodes plays the original's node 1, 2, 3
	rest string // what the value that nobody waited for came to

	killed time.Time // when the majority was lost
}

// address puts our addresses in place of the original's.
func (w *walk) address(text string) string {
	for i, node := range w.role {
		text = strings.ReplaceAll(text, fmt.Sprintf("127.0.0.1:2111%d", i+1), "<"+strconv.Itoa(node)+">")
	}
	for i := range w.ids {
		text = strings.ReplaceAll(text, fmt.Sprintf("<%d>", i), w.grpc(i))
	}
	return text
}

// TestWalkThrough plays everything that was recorded of the original's client:
// every command at three servers, with one and two of them killed. It is
// played with -fenced: then, as in the original, a master answers getglobal
// until its lease ends though it has lost its majority.
func TestWalkThrough(t *testing.T) {
	t.Parallel()
	t.Run("one program", func(t *testing.T) {
		t.Parallel()
		playWalk(t, "", 70)
	})
	// What comes then is about masters, and not about state machines.
	t.Run("state machines in programs of their own", func(t *testing.T) {
		t.Parallel()
		playWalk(t, "kill -9 both non-masters", 55, withProgram...)
	})
}

func playWalk(t *testing.T, until string, commands int, flags ...string) {
	steps := readTranscript(t, "phxkv_client.txt")
	w := &walk{cluster: newCluster(t, 3, append([]string{"-fenced", "-lease", walkLease.String()}, flags...)...), role: [3]int{0, 1, 2}}
	played := 0
	for _, s := range steps {
		if until != "" && strings.HasPrefix(s.heading, until) {
			break
		}
		if s.heading != "" {
			w.scene(s.heading)
			continue
		}
		w.play(s)
		played++
	}
	if played < commands {
		t.Errorf("played %d commands: the transcript was not read", played)
	}
	for i := range w.ids {
		w.terminate(i)
	}
}

// scene does to the servers what a heading says.
func (w *walk) scene(heading string) {
	w.t.Helper()
	words := func(s string) bool { return strings.HasPrefix(heading, s) }
	switch {
	case words("only node1 started"):
		w.start(w.role[0])
	case words("node2 and node3 started"):
		w.start(w.role[1])
		w.start(w.role[2])
		for _, key := range groupKeys {
			w.master(key)
		}
		w.settled()
	case words("kill -9 the master of key_hello (node3)"):
		w.casts(w.master("key_hello"), 2)
		w.nodes[w.role[2]].Kill()
	case words("its lease (10s) runs out"):
		w.casts(w.master("key_hello"), 1)
		w.master("a")
		w.master("c")
		w.settled()
	case words("restart node3"):
		w.start(w.role[2])
		w.settled()
	case words("kill -9 both non-masters"):
		w.casts(w.master("key_hello"), 1)
		w.nodes[w.role[0]].Kill()
		w.nodes[w.role[2]].Kill()
		w.killed = time.Now()
	case words("the lease has run out"):
		await.True(w.t, "the end of the lease", func() bool {
			out, _ := w.tool(w.role[1], "getglobal", "key_hello")
			return out == "GetGlobal no master\n"
		})
	case words("restart both"):
		w.start(w.role[0])
		w.start(w.role[2])
		for _, key := range groupKeys {
			w.master(key)
		}
		w.settled()
		w.outcome()
	}
}

// casts gives one of our nodes a role; whoever had it takes that node's.
func (w *walk) casts(node, role int) {
	for i := range w.role {
		if w.role[i] == node {
			w.role[i], w.role[role] = w.role[role], w.role[i]
		}
	}
}

// settled waits until all servers that run show the same.
func (w *walk) settled() {
	w.t.Helper()
	w.level()
	await.True(w.t, "equal nodes", func() bool {
		var first string
		for i, p := range w.nodes {
			if running(p) {
				out, exit := w.tool(i, "scan")
				if first == "" {
					first = out
				}
				if exit != 0 || out != first {
					return false
				}
			}
		}
		return true
	})
}

func running(p *process.Process) bool { return p != nil && !p.Ended() }

// outcome looks what has become of the put that had no majority and whose
// client has gone: it may have been chosen, once, or not at all. The original
// goes on with it for ever.
func (w *walk) outcome() {
	w.t.Helper()
	out, _ := w.tool(w.master("key_hello"), "getglobal", "key_hello")
	switch out {
	case "GetGlobal ok, key key_hello value nomaj version 7\n":
	case "GetGlobal ok, key key_hello value n3down version 6\n":
		w.rest = "value n3down version 6"
	default:
		w.t.Errorf("behind a put without majority: %q", out)
	}
	w.t.Logf("the put without a majority came to: %s", out)
}

// play runs one command. Which server is master is our cluster's own affair,
// so NewChannel is compared apart: it is there if the asked server is not
// the master, and leads to the one that is.
func (w *walk) play(s step) {
	w.t.Helper()
	command := w.address(s.command)
	if strings.HasPrefix(s.exit, "TIMEOUT") {
		w.hangs(command)
		return
	}
	_, want := cutRedirects(s.stdout)
	if want = w.address(want); w.rest != "" {
		want = strings.Replace(want, "value nomaj version 7", w.rest, 1)
	}
	out, exit := shell(w.t, w.dir, command)
	_, got := cutRedirects(out)
	for end := time.Now().Add(await.Limit(w.t)); w.early(command, got, want) && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		out, exit = shell(w.t, w.dir, command)
		_, got = cutRedirects(out)
	}
	if got == "GetGlobal no master\n" && !w.killed.IsZero() && time.Since(w.killed) > leaseSure {
		return // this machine is so slow that the lease has ended already
	}
	if got != want && !w.longer(command, got, want) {
		w.t.Fatalf("%.200s\nprinted %.200q\nwant    %.200q", command, got, want)
	}
	if strconv.Itoa(exit) != s.exit {
		w.t.Fatalf("%.200s: exit code %d, want %s", command, exit, s.exit)
	}
	w.redirects(command, out)
}

// early reports whether a command came before its server was as far as the
// others: it does not know the master yet, or the last value. Then nothing was
// done.
func (w *walk) early(command, got, want string) bool {
	if strings.Contains(command, " getlocal ") {
		return got != want && !w.longer(command, got, want)
	}
	masterless := func(out string) bool {
		return strings.Contains(out, " no master\n") || strings.Contains(out, " fail, ret 101")
	}
	return masterless(got) && !masterless(want) && w.killed.IsZero()
}

// longer reports whether the output differs only by what wc counted of a
// NewChannel line.
func (w *walk) longer(command, got, want string) bool {
	return strings.HasSuffix(command, "| wc -c") && strings.TrimSpace(got) == strings.TrimSpace(want)
}

// The commands that follow the end of a master have to come before its lease
// ends, also on a busy machine.
const (
	walkLease = 20 * time.Second
	leaseSure = 5 * time.Second // it lasts at least, also if it was just about to be renewed
)

func cutRedirects(out string) (redirects []string, rest string) {
	for line := range strings.Lines(out) {
		if to, ok := strings.CutPrefix(line, "NewChannel "); ok {
			redirects = append(redirects, strings.TrimSpace(to))
		} else {
			rest += line
		}
	}
	return redirects, rest
}

func (w *walk) redirects(command, out string) {
	w.t.Helper()
	redirects, rest := cutRedirects(out)
	asked, _, _ := strings.Cut(strings.TrimPrefix(command, "./phxkv_client_tools "), " ")
	if len(redirects) > 1 {
		w.t.Errorf("%.200s: redirected to %q", command, redirects)
	}
	for _, to := range redirects {
		if to == asked {
			w.t.Errorf("%.200s: redirected to itself", command)
		}
	}
	if strings.Contains(command, " getlocal ") && len(redirects) > 0 {
		w.t.Errorf("%.200s: a local read was redirected", command)
	}
	if strings.Contains(rest, " no master\n") && len(redirects) > 0 {
		w.t.Errorf("%.200s: redirected to nobody", command)
	}
}

// hangs checks that a command has no answer, and kills it.
func (w *walk) hangs(command string) {
	w.t.Helper()
	words := strings.Fields(command)
	p, err := process.Start(w.dir, words[0], words[1:]...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer p.Kill()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	if exit, err := p.Exit(ctx); err == nil {
		w.t.Errorf("%s ended with %d without a majority: %q", command, exit, p.Stdout())
	}
}

// TestUsage plays what was recorded of wrong command lines, and of a server
// that is down.
func TestUsage(t *testing.T) {
	t.Parallel()
	dir := workDir(t)
	for _, s := range readTranscript(t, "phxkv_usage_errors.txt") {
		if s.heading != "" {
			continue
		}
		command, want := s.command, s.stdout
		if strings.Contains(command, "./nodir/") {
			// The original wants all directories to be there; here they are
			// made. A file at their place remains an error.
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o664); err != nil {
				t.Fatal(err)
			}
			command = strings.ReplaceAll(command, "./nodir/", "./file/")
		}
		out, exit := shell(t, dir, command)
		if out != want || strconv.Itoa(exit) != s.exit {
			t.Errorf("%s\nprinted %q, exit code %d\nwant    %q, exit code %s", command, out, exit, want, s.exit)
		}
	}
}
