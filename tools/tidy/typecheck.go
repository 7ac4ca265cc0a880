package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
)

// checkPurePackages applies checkBans to every pure package that there is. The
// types come from the compiler's export data, so the code has to compile.
func checkPurePackages(t *tree) ([]finding, error) {
	files := map[string][]*source{}
	var dirs []string
	for _, f := range t.files {
		if !slices.Contains(purePackages, f.dir) || f.test {
			continue
		}
		if files[f.dir] == nil {
			dirs = append(dirs, f.dir)
		}
		files[f.dir] = append(files[f.dir], f)
	}
	if len(dirs) == 0 {
		return nil, nil
	}
	exports, err := exportData(t, dirs)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, dir := range dirs {
		info, err := typesOf(t, dir, files[dir], exports)
		if err != nil {
			return nil, err
		}
		for _, f := range files[dir] {
			if !f.generated {
				found = append(found, checkBans(t.fset, f.ast, info)...)
			}
		}
	}
	return found, nil
}

// typesOf type-checks one package.
func typesOf(t *tree, dir string, files []*source, exports map[string]string) (*types.Info, error) {
	lookup := func(path string) (io.ReadCloser, error) {
		name := exports[path]
		if name == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(name)
	}
	var asts []*ast.File
	for _, f := range files {
		asts = append(asts, f.ast)
	}
	info := newInfo()
	config := types.Config{Importer: importer.ForCompiler(t.fset, "gc", lookup)}
	if _, err := config.Check(t.module+"/"+dir, t.fset, asts, info); err != nil {
		return nil, fmt.Errorf("type-check %s: %w", dir, err)
	}
	return info, nil
}

func newInfo() *types.Info {
	return &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
}

// exportData asks the go command for the compiled form of everything that the
// packages import, by import path.
func exportData(t *tree, dirs []string) (map[string]string, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Export"}
	for _, dir := range dirs {
		args = append(args, "./"+dir)
	}
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = t.root, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("compile what is to be checked: %w\n%s", err, stderr.Bytes())
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return exports, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the answer of go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
	}
}
