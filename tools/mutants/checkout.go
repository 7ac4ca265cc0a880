package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// mutant is one deliberate bug.
type mutant struct {
	bug   string // what is wrong with the code then
	edits []edit
}

// edit replaces a text that occurs exactly once in a file.
type edit struct {
	file string // relative to the root of the checkout
	old  string
	new  string
}

func (e edit) apply(text string) (string, error) {
	if n := strings.Count(text, e.old); n != 1 {
		return "", fmt.Errorf("the bug does not fit any more: %q occurs %d times in %s, want once", e.old, n, e.file)
	}
	return strings.Replace(text, e.old, e.new, 1), nil
}

// findRoot returns the folder of the go.mod above the working directory.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("there is no go.mod above the working directory")
		}
		dir = above
	}
}

// checkoutCopy is a copy of what the simulator needs, in a temporary folder.
type checkoutCopy struct {
	temp string // holds everything
	root string // of the copied checkout
}

func newCopy(root string) (*checkoutCopy, error) {
	temp, err := os.MkdirTemp("", "phxpaxos-mutants-")
	if err != nil {
		return nil, err
	}
	c := &checkoutCopy{temp: temp, root: filepath.Join(temp, "checkout")}
	for _, name := range []string{"go.mod", "go.sum", "phxpaxos", "tools/sim"} {
		err = errors.Join(err, copyTree(filepath.Join(root, name), filepath.Join(c.root, name)))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(temp))
	}
	return c, nil
}

// copyTree copies a file, or a folder with all regular files in it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// try puts the bug into the copy, builds the simulator, runs seeds from 1 up
// until one fails, and takes the bug out again.
func (c *checkoutCopy) try(ctx context.Context, m mutant, seeds uint64) (seed uint64, check string, err error) {
	before := map[string][]byte{}
	defer func() {
		for name, text := range before {
			err = errors.Join(err, os.WriteFile(name, text, 0o644))
		}
	}()
	for _, e := range m.edits {
		name := filepath.Join(c.root, filepath.FromSlash(e.file))
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, "", err
		}
		if _, ok := before[name]; !ok {
			before[name] = text
		}
		faulty, err := e.apply(string(text))
		if err != nil {
			return 0, "", err
		}
		if err := os.WriteFile(name, []byte(faulty), 0o644); err != nil {
			return 0, "", err
		}
	}
	binary := filepath.Join(c.temp, "sim")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./tools/sim")
	build.Dir = c.root
	if output, err := build.CombinedOutput(); err != nil {
		return 0, "", fmt.Errorf("does not compile: %w\n%s", err, output)
	}
	seed, check, err = hunt(ctx, binary, seeds)
	if test := rare[m.bug]; test != "" && errors.Is(err, errSurvives) {
		return 0, "none; the test " + test, c.notices(ctx, test)
	}
	return seed, check, err
}

// notices checks that a test fails with the bug that is in the copy.
func (c *checkoutCopy) notices(ctx context.Context, test string) error {
	run := exec.CommandContext(ctx, "go", "test", "./phxpaxos/group", "-run", "^"+test+"$")
	run.Dir = c.root
	output, _ := run.CombinedOutput() // says whether the test failed, or why there was none
	if !strings.Contains(string(output), "--- FAIL: "+test) {
		return fmt.Errorf("%w, and %s does not fail\n%s", errSurvives, test, output)
	}
	return nil
}

// errSurvives: no seed that was tried finds the bug.
var errSurvives = errors.New("survives")

// huntTimeout ends a simulator that a bug sends round in circles.
const huntTimeout = 30 * time.Minute

var violation = regexp.MustCompile(`VIOLATION with seed (\d+): (.*?) violated after `)

// hunt runs seeds in their order until one fails.
func hunt(ctx context.Context, binary string, seeds uint64) (seed uint64, check string, err error) {
	ctx, cancel := context.WithTimeout(ctx, huntTimeout)
	defer cancel()
	output, err := exec.CommandContext(ctx, binary, "-seeds", fmt.Sprintf("1-%d", seeds),
		"-workers", "1", "-failures", "1", "-shrink", "0").CombinedOutput()
	found := violation.FindSubmatch(output)
	switch {
	case found != nil:
		seed, err = strconv.ParseUint(string(found[1]), 10, 64)
		return seed, string(found[2]), err
	case err != nil:
		return 0, "", fmt.Errorf("the simulator ends with %w\n%s", err, output)
	}
	return 0, "", fmt.Errorf("%w %d seeds", errSurvives, seeds)
}
