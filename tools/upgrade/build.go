package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// version is a version of the library.
type version int

const (
	oldVersion version = iota // that of the base commit
	newVersion                // that of this tree
	versions
)

var versionNames = [versions]string{"old", "new"}

func (v version) String() string { return versionNames[v] }

// programs are the paths of the node program of each version.
type programs [versions]string

// baseTag leaves out of package node what the base commit's library lacks.
const baseTag = "phxpaxos_base"

// ours is what is compiled in both trees, below tools/upgrade.
var ours = []string{"node", "protocol"}

// build makes the node programs in dir.
func build(ctx context.Context, base, dir string) (p programs, err error) {
	out, err := command(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return p, fmt.Errorf("the earlier version comes from the history of this repository, and this is no checkout of it: %w", err)
	}
	root := strings.TrimSpace(out)
	tree := filepath.Join(dir, "base")
	if err := extract(ctx, root, base, tree); err != nil {
		return p, err
	}
	for _, name := range ours {
		to := filepath.Join(tree, "tools", "upgrade", name)
		if err := os.RemoveAll(to); err != nil {
			return p, err
		}
		if err := os.CopyFS(to, os.DirFS(filepath.Join(root, "tools", "upgrade", name))); err != nil {
			return p, err
		}
	}
	p[oldVersion], p[newVersion] = filepath.Join(dir, "node-old"), filepath.Join(dir, "node-new")
	if _, err := command(ctx, root, "go", "build", "-o", p[newVersion], "./tools/upgrade/node"); err != nil {
		return p, fmt.Errorf("building the node of this tree: %w", err)
	}
	if _, err := command(ctx, tree, "go", "build", "-tags", baseTag, "-o", p[oldVersion], "./tools/upgrade/node"); err != nil {
		return p, fmt.Errorf("building the node of commit %s: %w", base, err)
	}
	return p, nil
}

// extract writes the tree of a commit to dir.
func extract(ctx context.Context, root, commit, dir string) error {
	if _, err := command(ctx, root, "git", "cat-file", "-e", commit+"^{commit}"); err != nil {
		return fmt.Errorf("commit %s is not in the history of this checkout: fetch it (git fetch --unshallow if the clone is shallow), or name another one with -base: %w", commit, err)
	}
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	archive.Dir = root
	var said strings.Builder
	archive.Stderr = &said
	in, err := archive.StdoutPipe()
	if err == nil {
		err = archive.Start()
	}
	if err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	err = untar(in, dir)
	if err != nil {
		archive.Process.Kill()
	}
	if waitErr := archive.Wait(); err == nil && waitErr != nil {
		err = fmt.Errorf("git archive: %w: %s", waitErr, said.String())
	}
	return err
}

// untar writes the regular files of an archive below dir.
func untar(in io.Reader, dir string) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the archive: %w", err)
		case h.Typeflag != tar.TypeReg:
			continue
		case !filepath.IsLocal(h.Name):
			return fmt.Errorf("the archive names %q, which lies outside of it", h.Name)
		}
		to := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}

// command runs a program and returns what it prints.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}
