package logger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/logger"
)

func ExampleOpen() {
	// Two nodes in one process log to two places.
	for _, node := range []string{"one", "two"} {
		handler, err := logger.Open(logger.Options{Module: node, Dir: filepath.Join(exampleDir, node)})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer handler.Close()
		slog.New(handler).Warn("disk is slow", "node", node)
	}
	text, err := os.ReadFile(filepath.Join(exampleDir, "two", "two.WARNING"))
	fmt.Println(strings.Contains(string(text), "disk is slow node=two"), strings.Contains(string(text), "node=one"), err)
	// Output: true false <nil>
}

func open(t *testing.T, o logger.Options) *logger.Handler {
	t.Helper()
	h, err := logger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func init() {
	// The same records by both ways.
	scenarios["both"] = func(dir string) {
		program := filepath.Base(os.Args[0])
		for name, open := range map[string]func(logger.Options) (*logger.Handler, error){"glog": logger.New, "own": logger.Open} {
			h := must(open(logger.Options{Module: program, Dir: filepath.Join(dir, name)}))
			log := slog.New(h).With("node", 7)
			log.Info("an info", "took", time.Second)
			log.Warn("a warning\nwith two lines")
			log.Error("an error", "err", errors.New("no luck"))
			log.Debug("too low")
			h.Close()
		}
	}
}

// What Open writes cannot be told from what glog writes: names, links, headers
// and lines.
func TestOpenIsLikeGlog(t *testing.T) {
	dir, out := run(t, "both")
	if out != "" {
		t.Fatal(out)
	}
	digits := regexp.MustCompile(`\d`)
	look := func(way string) map[string]string {
		t.Helper()
		entries, err := os.ReadDir(filepath.Join(dir, way))
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]string)
		for _, e := range entries {
			path := filepath.Join(dir, way, e.Name())
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(text), "\n")
			// Both write the init line from a place of their own.
			for i, line := range lines {
				if place, rest, found := strings.Cut(line, "] init_glog_warning_file"); found {
					lines[i] = place[:strings.LastIndex(place, " ")] + rest
				}
			}
			content := strings.Join(lines, "")
			if target, err := os.Readlink(path); err == nil {
				content = "-> " + target
			}
			seen[digits.ReplaceAllString(e.Name(), "0")] = digits.ReplaceAllString(content, "0")
		}
		return seen
	}
	glog, own := look("glog"), look("own")
	if len(own) != 6 {
		t.Errorf("%d files, want three and three links", len(own))
	}
	for name, want := range glog {
		if own[name] != want {
			t.Errorf("%s is\n%s\nglog's is\n%s", name, own[name], want)
		}
	}
}

// Two nodes in one process log to two places, also into one directory, and
// glog is not touched.
func TestTwoPlaces(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var handlers []*logger.Handler
	places := []logger.Options{
		{Module: "one", Dir: filepath.Join(dir, "a"), Level: slog.LevelDebug},
		{Module: "two", Dir: filepath.Join(dir, "b")},
		{Module: "three", Dir: filepath.Join(dir, "b"), Level: slog.LevelError},
	}
	for _, o := range places {
		h := open(t, o)
		for g := range 4 {
			wg.Go(func() {
				log := slog.New(h).With("module", o.Module, "g", g)
				for i := range 200 {
					log.Info("turn", "i", i, "end", "of line")
					log.Debug("detail")
				}
				log.Error("over")
			})
		}
		handlers = append(handlers, h)
	}
	wg.Wait()
	for _, h := range handlers {
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{4*400 + 4, 4*200 + 4, 4} {
		o := places[i]
		h, err := logger.Open(o) // another one for the same files begins new ones
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
		files, err := filepath.Glob(filepath.Join(o.Dir, o.Module+".*.log.INFO.*"))
		if err != nil || len(files) != 2 {
			t.Fatalf("%v, %v, want two files", files, err)
		}
		got := lines(t, files[0])
		mine := regexp.MustCompile(`\] (turn module=` + o.Module + ` g=\d i=\d+ end="of line"|detail module=.*|over module=` + o.Module + ` g=\d)$`)
		for _, line := range got {
			if !mine.MatchString(line) {
				t.Fatalf("%s: line %q", o.Module, line)
			}
		}
		if len(got) != want {
			t.Errorf("%s: %d lines, want %d", o.Module, len(got), want)
		}
	}
}

// Lines are on their way within a second, urgent ones at once.
func TestOpenWritesSoon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, err := logger.Open(logger.Options{Module: "m", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(h)
		shows := func(want int) {
			t.Helper()
			if got := lines(t, filepath.Join(dir, "m.INFO")); len(got) != want {
				t.Errorf("%d lines, want %d", len(got), want)
			}
		}
		log.Info("one")
		shows(0)
		time.Sleep(time.Second)
		synctest.Wait()
		shows(1)
		log.Info("two")
		log.Warn("three")
		shows(3)
		log.Info("four")
		if err := h.Flush(); err != nil {
			t.Error(err)
		}
		shows(4)
		log.Info("five")
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		shows(5)
		if err := h.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
		if err := h.Handle(t.Context(), slog.Record{Message: "late"}); err == nil {
			t.Error("a record after Close is taken")
		}
		shows(5)
	})
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]logger.Options{
		"Dir is empty":    {},
		`Module is "a/b"`: {Dir: "x", Module: "a/b"},
		"create Dir":      {Dir: filepath.Join(file, "log")},
	} {
		if h, err := logger.Open(o); h != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
