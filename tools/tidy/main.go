package main

import (
	"cmp"
	"fmt"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// finding is one breach of a rule.
type finding struct {
	file string // relative to the root of the checkout
	line int
	what string
	do   string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s; %s", f.file, f.line, f.what, f.do)
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	os.Exit(run(root, os.Stdout, os.Stderr))
}

// run checks the checkout at root and returns the exit code.
func run(root string, stdout, stderr io.Writer) int {
	findings, err := check(root)
	if err != nil {
		fmt.Fprintln(stderr, "tidy:", err)
		return 2
	}
	slices.SortFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.what, b.what))
	})
	for _, f := range findings {
		fmt.Fprintln(stdout, f)
	}
	if len(findings) > 0 {
		return 1
	}
	return 0
}

// check applies every rule.
func check(root string) ([]finding, error) {
	tree, err := parse(root)
	if err != nil {
		return nil, err
	}
	var all []finding
	for _, f := range tree.files {
		all = append(all, checkArrows(tree, f)...)
		if !f.test && !f.generated {
			all = append(all, checkSize(tree.fset, f)...)
		}
	}
	bans, err := checkPurePackages(tree)
	if err != nil {
		return nil, err
	}
	texts, err := checkTexts(root)
	if err != nil {
		return nil, err
	}
	return slices.Concat(all, bans, texts), nil
}

// at is a finding at a position; file names are relative to root already.
func at(fset *token.FileSet, pos token.Pos, what, do string) finding {
	p := fset.Position(pos)
	return finding{file: filepath.ToSlash(p.Filename), line: p.Line, what: what, do: do}
}
