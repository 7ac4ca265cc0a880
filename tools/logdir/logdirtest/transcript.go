package logdirtest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Call is one call of a tool of the original, and what it printed.
type Call struct {
	Input string   // what was typed, "" if nothing was
	Tool  string   // its name
	Args  []string //
	Out   string   // without the coloured lines of the storage layer
	Exit  string   // the original's
}

// coloured is a line of the original's storage layer. These tools have none.
var coloured = regexp.MustCompile(`\x1b\[4\d;37m.*\x1b\[0m`)

// Transcript returns the recorded calls of a tool, in their order. The test is
// skipped where there is no recording.
func Transcript(t testing.TB, tool string) []Call {
	t.Helper()
	text, err := os.ReadFile(GoldenFile(t, "transcripts/tools.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []Call
	for _, part := range strings.Split("\n"+string(text), "\n$ ")[1:] {
		command, rest, _ := strings.Cut(part, "\n")
		var c Call
		if typed, after, piped := strings.Cut(command, " | "); piped {
			c.Input = strings.TrimPrefix(typed, "echo ") + "\n"
			command = after
		}
		words := strings.Fields(command)
		c.Tool = strings.TrimPrefix(words[0], "./")
		c.Args = words[1:]
		for line := range strings.Lines(rest) {
			switch {
			case coloured.MatchString(line), strings.TrimSpace(line) == "":
			case strings.HasPrefix(line, "[exit "):
				c.Exit = strings.Trim(line, "[exit ]\n")
			default:
				c.Out += line
			}
		}
		if c.Tool == tool {
			calls = append(calls, c)
		}
	}
	if len(calls) == 0 {
		t.Fatalf("no call of %s in the transcript", tool)
	}
	return calls
}

// Recorded unpacks the directories that the transcript is about, and returns
// where: each below its own name.
func Recorded(t testing.TB) map[string]string {
	t.Helper()
	dirs := map[string]string{}
	for _, name := range []string{"phxecho_kill9_node1", "peernode_clean_node1"} {
		dirs[name] = Golden(t, name)
	}
	return dirs
}

// Localize replaces the recorded directories in the arguments of a call.
func (c Call) Localize(dirs map[string]string) (args []string, out string) {
	out = c.Out
	for _, arg := range c.Args {
		for name, dir := range dirs {
			if rest, ok := strings.CutPrefix(arg, name+"/"); ok {
				out = strings.ReplaceAll(out, arg, dir+"/"+rest)
				arg = dir + "/" + rest
			}
		}
		args = append(args, arg)
	}
	return args, out
}
