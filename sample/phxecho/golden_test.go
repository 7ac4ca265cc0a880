package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// golden returns a transcript of the original program, or skips the test when
// the recordings are not beside this checkout.
func golden(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "golden", "transcripts", name)
		text, err := os.ReadFile(path)
		if err == nil {
			return string(text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("shared/golden/transcripts/%s is not there: nothing to compare with", name)
		}
		dir = parent
	}
}

// withPort puts node i's port into a transcript in place of the original's.
func (c *cluster) withPort(transcript string, i int) string {
	return strings.ReplaceAll(transcript, fmt.Sprintf("port %d\n", 11110+i), fmt.Sprintf("port %d\n", c.ids[i-1].AddrPort().Port()))
}

// sameLines compares line by line, so that a failure names the line.
func sameLines(t *testing.T, what, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Fatalf("%s: line %d %.80q is missing", what, i+1, w[i])
		case i >= len(w):
			t.Fatalf("%s: line %d %.80q is too much", what, i+1, g[i])
		case g[i] != w[i]:
			t.Fatalf("%s: line %d is %.80q, want %.80q", what, i+1, g[i], w[i])
		}
	}
}

// sameSession is sameLines for a node that was killed and started again. What
// such a node learned just before need not have reached its disk: it may
// replay less of its log than the original did, and is taught the rest behind
// its banner. So the place of the banner of a later life is compared apart.
func sameSession(t *testing.T, what, got, want string) {
	t.Helper()
	g, gotReplayed := cutBanners(got)
	w, wantReplayed := cutBanners(want)
	sameLines(t, what, dense(g), dense(w))
	if len(gotReplayed) != len(wantReplayed) {
		t.Fatalf("%s: %d lives, want %d", what, len(gotReplayed), len(wantReplayed))
	}
	for life := range gotReplayed {
		if n := gotReplayed[life]; n > wantReplayed[life] || n == 0 && wantReplayed[life] > 0 {
			t.Errorf("%s: life %d replayed %d values, the original %d", what, life+1, n, wantReplayed[life])
		}
	}
}

var instanceID = regexp.MustCompile(`instanceid (\d+)`)

// dense numbers the instances that were printed from 0 on, in their order. One
// instance of the log is taken by the feature level, at no certain time, which
// no original node has.
func dense(printed string) string {
	var ids []int
	for _, m := range instanceID.FindAllStringSubmatch(printed, -1) {
		id, err := strconv.Atoi(m[1])
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return instanceID.ReplaceAllStringFunc(printed, func(s string) string {
		id, err := strconv.Atoi(strings.TrimPrefix(s, "instanceid "))
		if err != nil {
			return s
		}
		return fmt.Sprintf("instanceid %d", slices.Index(ids, id))
	})
}

// cutBanners takes the banners out of what a node printed, and says how many
// values each life had replayed before its own: those since instance 0 was
// printed again.
func cutBanners(printed string) (rest string, replayed []int) {
	parts := strings.Split(printed, "run paxos ok\necho server start, ip 127.0.0.1 port ")
	rest = parts[0]
	for i, part := range parts[1:] {
		before := parts[i]
		start := max(strings.LastIndex(before, " instanceid 0 "), 0)
		replayed = append(replayed, strings.Count(before[start:], " instanceid "))
		_, part, _ = strings.Cut(part, "\n"+prompt) // the port's line and the first prompt
		rest += part
	}
	return rest, replayed
}

// TestClusterPrintsWhatTheOriginalPrinted plays the recorded session of the
// original: values typed at all nodes, crashes with and without a majority
// left, restarts, and the end of the input.
func TestClusterPrintsWhatTheOriginalPrinted(t *testing.T) {
	for name, args := range map[string][]string{
		"one program": nil, "state machines in programs of their own": {"-sm", filepath.Join(binaryDir, "phxecho_sm")},
	} {
		t.Run(name, func(t *testing.T) { playOriginal(t, args) })
	}
}

func playOriginal(t *testing.T, args []string) {
	c := newCluster(t, 3)
	c.args = append([]string{"-monitor", "127.0.0.1:0"}, args...)
	for i := 1; i <= 3; i++ {
		c.start(i)
	}
	c.answers(1, "hello", 1, 2, 3)
	c.answers(1, "hello phxpaxos:)", 2, 3)
	c.answers(1, "with  two spaces", 2, 3)
	c.answers(2, "from node 2", 1, 3)
	c.answers(3, "from node 3", 1, 2)
	c.answers(1, "", 2, 3)
	c.answers(1, strings.Repeat("x", 5000), 2, 3)
	c.vote()

	c.nodes[3-1].Kill()
	c.answers(1, "two nodes alive", 2)

	c.nodes[2-1].Kill()
	c.typed(1, "no majority")
	c.blocked(1, "no majority", 2*time.Second)
	c.start(2)
	c.shows(1, "echo resp value no majority\n"+prompt)
	c.executes(2, "no majority")

	c.start(3)
	c.executes(3, "no majority")
	c.answers(3, "all back", 1, 2)
	c.terminate(1, 2, 3)
	for i := 1; i <= 3; i++ {
		want := golden(t, fmt.Sprintf("phxecho_cluster.node%d.stdout.txt", i))
		sameSession(t, fmt.Sprintf("node %d", i), c.printed(i), c.withPort(want, i))
	}

	c.past = make([]string, 3)
	c.nodes = c.nodes[:0:0]
	c.nodes = append(c.nodes, nil, nil, nil)
	for i := 1; i <= 3; i++ {
		c.start(i)
	}
	c.answers(1, "after restart", 2, 3)
	if err := c.nodes[0].CloseInput(); err != nil {
		t.Fatal(err)
	}
	// The original proposes empty values for ever from here on.
	exits(t, c.nodes[0], cmdline.ExitOK)
	c.terminate(2, 3)
	for i := 1; i <= 3; i++ {
		want := golden(t, fmt.Sprintf("phxecho_restart.node%d.stdout.txt", i))
		want, _, _ = strings.Cut(want, "[SM Execute] ok, smid 1 instanceid 11 ")
		sameLines(t, fmt.Sprintf("restarted node %d", i), dense(c.printed(i)), dense(c.withPort(want, i)))
	}
}

// blocked checks that node i does not answer for a while.
func (c *cluster) blocked(i int, value string, while time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(while); time.Now().Before(end); {
		if strings.Contains(c.nodes[i-1].Stdout(), "echo resp value "+value+"\n") {
			c.t.Fatalf("node %d answered %q without a majority", i, value)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestSingleNodePrintsWhatTheOriginalPrinted(t *testing.T) {
	want := golden(t, "phxecho_misc_single_node.stdout.txt")
	c := newCluster(t, 1)
	c.start(1)
	c.answers(1, "only me")
	c.nodes[0].CloseInput()
	exits(t, c.nodes[0], cmdline.ExitOK)
	sameLines(t, "stdout", c.printed(1), portOf(c, want, 11118))
}

// The original goes on without log files; this program makes the directory.
func TestLogDirectoryIsMade(t *testing.T) {
	want := golden(t, "phxecho_misc_no_log_dir.stdout.txt")
	c := newCluster(t, 1)
	c.start(1)
	c.answers(1, "v")
	c.terminate(1)
	sameLines(t, "stdout", c.printed(1), portOf(c, want, 11117))
	files, err := os.ReadDir(filepath.Join(c.dir, "log"))
	if err != nil || len(files) == 0 {
		t.Errorf("log directory: %v, %v", files, err)
	}
	if stderr := c.nodes[0].Stderr(); stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
}

func TestNodeThatIsNotInTheListPrintsWhatTheOriginalPrinted(t *testing.T) {
	want := golden(t, "phxecho_misc_not_in_list.stdout.txt")
	c := newCluster(t, 4)
	stranger, list := c.ids[0], strings.SplitN(listOf(c), ",", 2)[1]
	p := launch(t, c.dir, stranger.String(), list)
	c.nodes[0] = p
	c.shows(1, prompt)
	p.Type("x")
	c.shows(1, strings.Repeat("paxos propose fail, ret 17\nEcho fail, ret 17\n"+prompt, 1))
	p.Type("y")
	c.shows(1, strings.Repeat("paxos propose fail, ret 17\nEcho fail, ret 17\n"+prompt, 2))
	c.terminate(1)
	sameLines(t, "stdout", p.Stdout(), portOf(c, want, 11119))
}

func portOf(c *cluster, transcript string, port int) string {
	return strings.ReplaceAll(transcript, fmt.Sprintf("port %d\n", port), fmt.Sprintf("port %d\n", c.ids[0].AddrPort().Port()))
}
