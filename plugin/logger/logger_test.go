package logger_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang/glog"

	"github.com/phxpaxos/phxpaxos-go/plugin/logger"
)

func ExampleNew() {
	handler, err := logger.New(logger.Options{Module: "example", Dir: filepath.Join(exampleDir, "log")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer handler.Close() // writes out what is buffered
	log := slog.New(handler)
	log.Warn("disk is slow", "group", 3, "took", 120*time.Millisecond)
	// Output:
}

// exampleDir is where the example, the only New of the parent process, writes.
var exampleDir string

// scenarios run in processes of their own, since glog can be set up only once.
// Each prints what it found; the test looks at that and at the files.
var scenarios = map[string]func(dir string){}

const scenarioEnv = "LOGGER_TEST_SCENARIO"

func TestMain(m *testing.M) {
	if name := os.Getenv(scenarioEnv); name != "" {
		scenarios[name](os.Args[len(os.Args)-1])
		os.Exit(0)
	}
	var err error
	if exampleDir, err = os.MkdirTemp("", "logger"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(exampleDir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// run runs a scenario and returns its directory and what it printed. It fails
// if anything was written to stderr.
func run(t *testing.T, name string) (dir, stdout string) {
	t.Helper()
	dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd := exec.Command(os.Args[0], "-test.run=^$", dir)
	// The race detector waits a second at the end of a process unless told not to.
	cmd.Env = append(os.Environ(), scenarioEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("scenario %s: %v\n%s", name, err, errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("scenario %s wrote to stderr:\n%s", name, errs.String())
	}
	return dir, out.String()
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(0)
	}
	return v
}

// lines returns the log lines of a file without its header and without the
// first line that the logger itself writes.
func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(data), "] init_glog_warning_file\n")
	if !ok {
		t.Fatalf("%s has no init line:\n%s", path, data)
	}
	return strings.FieldsFunc(body, func(r rune) bool { return r == '\n' })
}

func init() {
	scenarios["severities"] = func(dir string) {
		h := must(logger.New(logger.Options{Module: "phxecho", Dir: filepath.Join(dir, "a", "log")}))
		log := slog.New(h)
		log.Debug("not written")
		log.Info("an info", "group", 1)
		log.Warn("a warning")
		log.Error("an error", "err", errors.New("no luck"))
		h.Close()
	}
}

func TestSeverities(t *testing.T) {
	dir, out := run(t, "severities")
	if out != "" {
		t.Fatal(out)
	}
	dir = filepath.Join(dir, "a", "log") // New has created it
	info := `I\d{4} [\d:.]+ +\d+ logger_test\.go:\d+\] an info group=1`
	warning := `W\d{4} [\d:.]+ +\d+ logger_test\.go:\d+\] a warning`
	errorLine := `E\d{4} [\d:.]+ +\d+ logger_test\.go:\d+\] an error err="no luck"`
	for severity, want := range map[string][]string{
		"INFO": {info, warning, errorLine}, "WARNING": {warning, errorLine}, "ERROR": {errorLine},
	} {
		for _, link := range []string{"phxecho", filepath.Base(os.Args[0])} {
			got := lines(t, filepath.Join(dir, link+"."+severity))
			if len(got) != len(want) {
				t.Fatalf("%s.%s has %d lines, want %d:\n%s", link, severity, len(got), len(want), strings.Join(got, "\n"))
			}
			for i := range want {
				if !regexp.MustCompile("^" + want[i] + "$").MatchString(got[i]) {
					t.Errorf("%s.%s line %d is %q, want %s", link, severity, i, got[i], want[i])
				}
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.log."+severity+".*"))
		if err != nil || len(files) != 1 {
			t.Errorf("files of %s: %v, %v, want one", severity, files, err)
		}
	}
}

func init() {
	scenarios["levels"] = func(dir string) {
		level := new(slog.LevelVar)
		level.Set(slog.LevelWarn)
		h := must(logger.New(logger.Options{Dir: dir, Level: level}))
		log := slog.New(h)
		log.Info("too low")
		level.Set(slog.LevelDebug)
		log.Debug("now it counts")
		h.Flush()
	}
}

func TestLevel(t *testing.T) {
	dir, _ := run(t, "levels")
	got := lines(t, filepath.Join(dir, filepath.Base(os.Args[0])+".INFO"))
	if len(got) != 1 || !strings.HasPrefix(got[0], "I") || !strings.HasSuffix(got[0], "] now it counts") {
		t.Fatalf("lines %q, want the one that was above the level at its time, as INFO", got)
	}
}

func init() {
	scenarios["attributes"] = func(dir string) {
		h := must(logger.New(logger.Options{Dir: dir}))
		log := slog.New(h).With("node", 7).WithGroup("disk").With("n", 1)
		log.Info("in a group", "msg", "theirs", "level", "theirs", "text", "two words")
		slog.New(h).Info("first\nE0101 forged line")
		slog.New(h).Info("top", "msg", "theirs", "level", 5)
		h.Close()
	}
}

func TestAttributes(t *testing.T) {
	dir, _ := run(t, "attributes")
	got := lines(t, filepath.Join(dir, filepath.Base(os.Args[0])+".INFO"))
	want := []string{
		`] in a group node=7 disk.n=1 disk.msg=theirs disk.level=theirs disk.text="two words"`,
		`] "first\nE0101 forged line"`,
		`] top msg=theirs level=5`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: one for each record\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasSuffix(got[i], want[i]) {
			t.Errorf("line %q, want …%s", got[i], want[i])
		}
	}
}

func init() {
	scenarios["second"] = func(dir string) {
		must(logger.New(logger.Options{Dir: filepath.Join(dir, "one")}))
		if err := os.Chdir(dir); err != nil {
			panic(err)
		}
		_, err := logger.New(logger.Options{Dir: "./one/", Module: "other"})
		fmt.Println("same directory:", err)
		_, err = logger.New(logger.Options{Dir: filepath.Join(dir, "two")})
		fmt.Println("other directory:", errors.Is(err, logger.ErrConfigured), strings.Contains(err.Error(), filepath.Join(dir, "two")))
	}
	scenarios["glog first"] = func(dir string) {
		devNull := must(os.OpenFile(os.DevNull, os.O_WRONLY, 0))
		os.Stderr = devNull // what glog writes before New is not ours
		if err := os.Setenv("TMPDIR", dir); err != nil {
			panic(err)
		}
		glog.Error("before New")
		_, err := logger.New(logger.Options{Dir: filepath.Join(dir, "two")})
		fmt.Println(errors.Is(err, logger.ErrConfigured))
	}
}

func TestSecondNew(t *testing.T) {
	dir, out := run(t, "second")
	if want := "same directory: <nil>\nother directory: true true\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "one", "other.INFO")); err != nil {
		t.Errorf("the link of the second module: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "two")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the refused directory was created (%v)", err)
	}
}

func TestGlogUsedBefore(t *testing.T) {
	if _, out := run(t, "glog first"); out != "true\n" {
		t.Errorf("printed %q, want that New refuses", out)
	}
}

func init() {
	scenarios["unusable"] = func(dir string) {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			panic(err)
		}
		_, err := logger.New(logger.Options{Dir: filepath.Join(file, "log")})
		fmt.Println(err != nil)
		_, err = logger.New(logger.Options{Dir: dir}) // a failed New leaves glog as it was
		fmt.Println(err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	if _, out := run(t, "unusable"); out != "true\n<nil>\n" {
		t.Errorf("printed %q", out)
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	for _, c := range []struct {
		o    logger.Options
		want string
	}{
		{logger.Options{}, "Dir is empty"},
		{logger.Options{Dir: "x", Module: "a/b"}, `Module is "a/b"`},
	} {
		if h, err := logger.New(c.o); err == nil || h != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%+v): %v, want an error with %q", c.o, err, c.want)
		}
	}
}

// Records of many goroutines do not mix.
func init() {
	scenarios["concurrent"] = func(dir string) {
		h := must(logger.New(logger.Options{Dir: dir}))
		done := make(chan struct{})
		for g := range 8 {
			go func() {
				log := slog.New(h).With("g", g)
				for i := range 200 {
					log.Info("turn", "i", i, "end", "of line")
				}
				done <- struct{}{}
			}()
		}
		for range 8 {
			<-done
		}
		h.Close()
		_, _ = io.WriteString(os.Stdout, "done")
	}
}

func TestConcurrent(t *testing.T) {
	dir, out := run(t, "concurrent")
	if out != "done" {
		t.Fatal(out)
	}
	got := lines(t, filepath.Join(dir, filepath.Base(os.Args[0])+".INFO"))
	whole := regexp.MustCompile(`\] turn g=\d i=\d+ end="of line"$`)
	for _, line := range got {
		if !whole.MatchString(line) {
			t.Errorf("mixed line %q", line)
		}
	}
	if len(got) != 1600 {
		t.Errorf("%d lines, want 1600", len(got))
	}
}
