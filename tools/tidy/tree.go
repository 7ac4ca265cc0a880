package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// tree is the Go source of a checkout.
type tree struct {
	root   string
	module string
	fset   *token.FileSet
	files  []*source
}

// source is one Go file.
type source struct {
	name      string // relative to the root, with slashes
	dir       string // the directory of name; "." for the root
	ast       *ast.File
	test      bool
	generated bool
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)

// parse reads every Go file of the module at root. Modules within it, and what
// the go command leaves out, are left out.
func parse(root string) (*tree, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	m := moduleLine.FindSubmatch(mod)
	if m == nil {
		return nil, fmt.Errorf("%s has no module line", filepath.Join(root, "go.mod"))
	}
	t := &tree{root: root, module: string(m[1]), fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return t.enter(file, d.Name())
		}
		if !strings.HasSuffix(file, ".go") || ignored(d.Name()) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(name), text)
	})
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	return t, nil
}

// enter says whether the walk goes into a directory.
func (t *tree) enter(dir, name string) error {
	if dir == t.root {
		return nil
	}
	if ignored(name) || name == "testdata" || name == "vendor" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// ignored is what the go command does not look at.
func ignored(name string) bool { return name[0] == '.' || name[0] == '_' }

// add parses one file.
func (t *tree) add(name string, text []byte) error {
	f, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, &source{
		name:      name,
		dir:       path.Dir(name),
		ast:       f,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(f),
	})
	return nil
}
