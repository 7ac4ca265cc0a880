package logger

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/golang/glog"
)

// ErrConfigured is matched by the error of New when this process logs to
// another directory already.
var ErrConfigured = errors.New("glog writes to another directory already")

// Options say where and what a Handler writes.
type Options struct {
	// Module names the links to the newest files, such as Module.INFO, and with
	// Open the files themselves. Empty means the name of the program.
	Module string
	// Dir is the directory of the files. It is created if it is missing, with
	// its parents. It must not be empty.
	Dir string
	// Level is the lowest level that is written; nil means slog.LevelInfo.
	Level slog.Leveler
}

// The files that are there from the start.
var severities = []string{"INFO", "WARNING", "ERROR"}

// configuring serializes New: glog's flags belong to the whole process.
var configuring sync.Mutex

// New makes glog write to o.Dir and returns a handler for it. It fails with an
// error that names the option if one is wrong, with one that matches
// ErrConfigured if glog writes elsewhere already, and if a file cannot be
// created. It blocks on the disk and is safe for concurrent use, but not while
// something else changes glog's flags.
func New(o Options) (*Handler, error) {
	dir, err := o.prepare()
	if err != nil {
		return nil, err
	}
	configuring.Lock()
	defer configuring.Unlock()
	if err := configure(dir); err != nil {
		return nil, err
	}
	if err := link(dir, o.Module); err != nil {
		return nil, err
	}
	return newHandler(o.Level, glogSink()), nil
}

// prepare checks the options, fills in what was left out and returns the
// absolute path of Dir: files made later must not follow the working directory
// of the process.
func (o *Options) prepare() (dir string, err error) {
	if o.Dir == "" {
		return "", errors.New("logger: Dir is empty, must name a directory")
	}
	if o.Module == "" {
		o.Module = program()
	}
	if strings.ContainsAny(o.Module, "/\\\x00") {
		return "", fmt.Errorf("logger: Module is %q, must not contain a slash", o.Module)
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if dir, err = filepath.Abs(o.Dir); err != nil {
		return "", fmt.Errorf("logger: Dir is %q: %w", o.Dir, err)
	}
	return dir, nil
}

// configure makes glog write to dir, or says why it does not.
func configure(dir string) error {
	if used, err := dirInUse(); err != nil {
		return err
	} else if used != "" {
		return same(used, dir)
	}
	if err := writable(dir); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{
		{"log_dir", dir},
		{"stderrthreshold", "FATAL"},
		{"logtostderr", "false"},
		{"alsologtostderr", "false"},
	} {
		if err := flag.Set(f.name, f.value); err != nil {
			return fmt.Errorf("logger: set glog's flag %s: %w", f.name, err)
		}
	}
	glog.Error("init_glog_warning_file")
	used, err := dirInUse()
	if err != nil {
		return err
	}
	// Without a word, glog takes the system's directory for temporary files
	// if it cannot use the one that it was given.
	return same(used, dir)
}

// dirInUse is where glog's files are, or "" if there are none yet.
func dirInUse() (string, error) {
	names, err := glog.Names("INFO")
	if errors.Is(err, glog.ErrNoLog) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("logger: ask glog for its files: %w", err)
	}
	return filepath.Dir(names[len(names)-1]), nil
}

// same returns nil if both paths name the same directory.
func same(used, want string) error {
	a, err := os.Stat(used)
	if err != nil {
		return fmt.Errorf("logger: the directory in use: %w", err)
	}
	b, err := os.Stat(want)
	if err == nil && os.SameFile(a, b) {
		return nil
	}
	return fmt.Errorf("logger: Dir is %q, but files are in %q: %w", want, used, ErrConfigured)
}

// writable makes sure that dir exists and takes files. glog would end the
// process if neither it nor the directory for temporary files did.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("logger: create Dir: %w", err)
	}
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("logger: Dir cannot be written to: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// link makes module.INFO and so on lead to the newest files, by way of glog's
// own links, so that they still do after glog has started new files.
func link(dir, module string) error {
	if module == program() {
		return nil
	}
	for _, severity := range severities {
		name, target := filepath.Join(dir, module+"."+severity), program()+"."+severity
		if old, err := os.Readlink(name); err == nil {
			if old == target {
				continue
			}
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("logger: replace a link: %w", err)
			}
		}
		if err := os.Symlink(target, name); err != nil {
			return fmt.Errorf("logger: %w", err)
		}
	}
	return nil
}

// program is the name that glog gives to files.
func program() string { return filepath.Base(os.Args[0]) }
