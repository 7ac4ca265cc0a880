package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A wording has no place in anything that is committed. The patterns are put
// together from pieces, so that this file does not match them.
type wording struct {
	pattern *regexp.Regexp
	what    string
	do      string
}

var wordings = []wording{
	{
		regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "XX" + `X)\b`),
		"an unfinished end", "finish it, or say in prose what is not there and why",
	},
	{
		regexp.MustCompile(`(^|[\s"'` + "`" + `(=:,<])/(` + "wo" + `rk|ho` + `me/\w+|Us` + `ers/\w+|ro` + `ot)(/|\b)`),
		"the path of somebody's machine", "write it relative to the checkout, or use a temporary directory",
	},
}

// checkTexts looks for the wordings in every text file of the checkout.
func checkTexts(root string) ([]finding, error) {
	names, err := committed(root)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, name := range names {
		if filepath.Base(name) == "go.sum" { // only hashes, in which anything may occur
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) { // deleted, but not yet for git
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a text: %w", err)
		}
		found = append(found, checkText(filepath.ToSlash(name), text)...)
	}
	return found, nil
}

// checkText looks for the wordings in one file. Binary files are passed over.
func checkText(name string, text []byte) []finding {
	if bytes.IndexByte(text[:min(len(text), 8192)], 0) >= 0 {
		return nil
	}
	var found []finding
	line := 0
	for l := range bytes.Lines(text) {
		line++
		for _, w := range wordings {
			if m := w.pattern.Find(l); m != nil {
				found = append(found, finding{name, line, fmt.Sprintf("%s: %q", w.what, strings.TrimSpace(string(m))), w.do})
			}
		}
	}
	return found
}

// committed lists the files that are committed, or would be: with git's help
// in a checkout, and everything but dot files elsewhere.
func committed(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		cmd.Dir = root
		if out, err := cmd.Output(); err == nil {
			return regularFiles(root, strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })), nil
		}
	}
	var names []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if file != root && d.Name()[0] == '.' {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(root, file)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the texts: %w", err)
	}
	return names, nil
}

// regularFiles leaves out links and submodules.
func regularFiles(root string, names []string) []string {
	var out []string
	for _, name := range names {
		if info, err := os.Lstat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			out = append(out, name)
		}
	}
	return out
}
