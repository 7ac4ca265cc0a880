package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mutation is one deliberate fault.
type mutation struct {
	test  string // that has to notice, as Case.Name
	fault string // what is wrong with the code then
	file  string // relative to the root of the checkout
	old   string // occurs in file exactly once
	new   string // takes its place
}

// apply returns text with the fault in it.
func (m mutation) apply(text string) (string, error) {
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("the fault does not fit any more: its text occurs %d times in %s, want once", n, m.file)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
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

// checkoutCopy is a copy of what the unit tests need, in a temporary folder.
type checkoutCopy struct {
	temp string // holds the two below
	root string // of the copied checkout
	work string // where the tests run
}

// newCopy copies the library and the unit tests of the checkout at root.
func newCopy(root string) (*checkoutCopy, error) {
	temp, err := os.MkdirTemp("", "phxpaxos-mutations-")
	if err != nil {
		return nil, err
	}
	c := &checkoutCopy{temp: temp, root: filepath.Join(temp, "checkout"), work: filepath.Join(temp, "work")}
	err = os.MkdirAll(c.work, 0o755)
	for _, name := range []string{"go.mod", "go.sum", "phxpaxos", "ut"} {
		err = errors.Join(err, copyTree(filepath.Join(root, name), filepath.Join(c.root, name)))
	}
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

func (c *checkoutCopy) remove() error { return os.RemoveAll(c.temp) }

// copyTree copies a file, or a folder with all regular files in it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
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

// try makes the fault in the copy, runs the test that has to notice, and
// takes the fault out again. It returns an error if the test did not fail, or
// if that could not be found out.
func (c *checkoutCopy) try(ctx context.Context, m mutation) (err error) {
	name := filepath.Join(c.root, filepath.FromSlash(m.file))
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	faulty, err := m.apply(string(text))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(name, text, 0o644)) }()
	if err := os.WriteFile(name, []byte(faulty), 0o644); err != nil {
		return err
	}
	binary, err := c.build(ctx)
	if err != nil {
		return err
	}
	testCase, test, _ := strings.Cut(m.test, ".")
	output, err := c.test(ctx, binary, "^Test"+testCase+"$/^"+test+"$")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return errors.New("the test passes in spite of the fault")
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() != 1 || !strings.Contains(output, "--- FAIL: Test"+testCase+"/"+test+" "):
		return fmt.Errorf("the test did not fail but end with %w\n%s", err, output)
	}
	return nil
}

// build compiles the unit tests of the copy.
func (c *checkoutCopy) build(ctx context.Context) (binary string, err error) {
	binary = filepath.Join(c.temp, "phxpaxos_ut")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./ut")
	cmd.Dir = c.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, output)
	}
	return binary, nil
}

// testTimeout ends tests that a fault makes wait for ever.
const testTimeout = 20 * time.Second

// test runs the compiled tests whose names match.
func (c *checkoutCopy) test(ctx context.Context, binary, pattern string) (output string, err error) {
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.run="+pattern, "-test.timeout="+testTimeout.String())
	cmd.Dir = c.work
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err = cmd.Run()
	return both.String(), err
}
