package main

import (
	"fmt"
	"go/ast"
	"go/token"
)

// Lengths in lines. A function fits on a screen, a file holds one subject.
const (
	functionLinesMax = 70
	fileLinesMax     = 500
)

// checkSize checks the length of a file and of the functions in it.
func checkSize(fset *token.FileSet, f *source) []finding {
	var found []finding
	if n := fset.File(f.ast.FileStart).LineCount(); n > fileLinesMax {
		found = append(found, at(fset, f.ast.FileStart, fmt.Sprintf("the file has %d lines, at most %d", n, fileLinesMax),
			"split it by subject"))
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
		if n > functionLinesMax {
			found = append(found, at(fset, fn.Pos(), fmt.Sprintf("function %s has %d lines, at most %d", fn.Name.Name, n, functionLinesMax),
				"take a part that has a name of its own out of it"))
		}
	}
	return found
}
