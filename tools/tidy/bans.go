package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// purePackages live on their inputs alone: the same inputs give the same
// outputs in the same order, on a real machine and in the simulator.
var purePackages = []string{"phxpaxos/paxos", "phxpaxos/wire", "phxpaxos/group", "phxpaxos/group/history"}

// bannedImports reach the outside world or wait for it; "x/..." means x and
// everything below it.
var bannedImports = []string{"sync/...", "os/...", "net/...", "log/...", "syscall", "unsafe", "crypto/rand", "io/ioutil"}

// allowedImports are exceptions of those: values without a connection to
// anything.
var allowedImports = []string{"net/netip"}

// bannedCalls are functions that look at the clock or wait.
var bannedCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
}

// seeded are the functions of math/rand that do not use the global source.
var seeded = []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf"}

// orderComment, on the line above, states that an iteration over a map gives
// the same in whatever order, and why.
const orderComment = "// order does not show: "

// checkBans checks one file of a pure package. info must hold the types and
// uses of its expressions.
func checkBans(fset *token.FileSet, f *ast.File, info *types.Info) []finding {
	c := &banCheck{fset: fset, info: info, excused: excusedLines(fset, f)}
	for _, spec := range f.Imports {
		c.imported(spec)
	}
	ast.Inspect(f, c.node)
	return c.found
}

type banCheck struct {
	fset    *token.FileSet
	info    *types.Info
	excused map[int]bool // lines below an orderComment
	sorted  []ast.Node   // calls whose result is sorted at once
	found   []finding
}

func (c *banCheck) report(pos token.Pos, what, do string) {
	c.found = append(c.found, at(c.fset, pos, what, do))
}

// excusedLines are the lines after a comment that begins with orderComment and
// goes on with a reason.
func excusedLines(fset *token.FileSet, f *ast.File) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.Comments {
		for _, comment := range group.List {
			if reason, ok := strings.CutPrefix(comment.Text, orderComment); ok && strings.TrimSpace(reason) != "" {
				// The reason may go on over the lines of one comment.
				lines[fset.Position(group.End()).Line+1] = true
			}
		}
	}
	return lines
}

func (c *banCheck) imported(spec *ast.ImportSpec) {
	name, err := strconv.Unquote(spec.Path.Value)
	if err == nil && matchAny(bannedImports, name) && !slices.Contains(allowedImports, name) {
		c.report(spec.Pos(), "import of "+name+" in a package that lives on its inputs alone",
			"take what it is for as an input, or hand out what to do")
	}
}

const noGoroutines = "let the driver do it; this package is called by one goroutine"

func (c *banCheck) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n.Pos(), "go statement", noGoroutines)
	case *ast.SelectStmt:
		c.report(n.Pos(), "select statement", noGoroutines)
	case *ast.ChanType:
		c.report(n.Pos(), "channel type", noGoroutines)
	case *ast.SendStmt:
		c.report(n.Pos(), "send to a channel", noGoroutines)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n.Pos(), "receive from a channel", noGoroutines)
		}
	case *ast.RangeStmt:
		c.ranged(n)
	case *ast.CallExpr:
		c.called(n)
	case *ast.Ident:
		c.used(n)
	}
	return true
}

const sortKeys = "range over sorted keys, or write the comment \"" + orderComment + "…\" with the reason above"

// ranged flags loops over maps, since Go shuffles them.
func (c *banCheck) ranged(n *ast.RangeStmt) {
	t := c.info.TypeOf(n.X)
	if t == nil {
		return
	}
	if _, ok := t.Underlying().(*types.Map); ok && !c.excused[c.fset.Position(n.Pos()).Line] {
		c.report(n.Pos(), "range over a map", sortKeys)
	}
}

// called flags iterators over maps that are not sorted on the spot.
func (c *banCheck) called(n *ast.CallExpr) {
	pkg, name := c.function(n.Fun)
	switch {
	case pkg == "slices" && (name == "Sorted" || name == "SortedFunc"):
		if len(n.Args) > 0 {
			c.sorted = append(c.sorted, n.Args[0])
		}
	case pkg == "maps" && (name == "Keys" || name == "Values" || name == "All"):
		if !slices.Contains(c.sorted, ast.Node(n)) && !c.excused[c.fset.Position(n.Pos()).Line] {
			c.report(n.Pos(), "iterator over a map", sortKeys)
		}
	}
}

// used flags functions that look at the clock or at the global random source,
// also where they are not called but passed on.
func (c *banCheck) used(id *ast.Ident) {
	fn, ok := c.info.Uses[id].(*types.Func)
	if !ok || fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return
	}
	pkg, name := fn.Pkg().Path(), fn.Name()
	switch {
	case slices.Contains(bannedCalls[pkg], name):
		c.report(id.Pos(), "use of "+pkg+"."+name, "use the time that came with the input, and a deadline to be called at")
	case (pkg == "math/rand" || pkg == "math/rand/v2") && !slices.Contains(seeded, name):
		c.report(id.Pos(), "use of the global random source by "+pkg+"."+name, "use the source that the configuration holds")
	}
}

// function is the package and the name of a package's function.
func (c *banCheck) function(e ast.Expr) (pkg, name string) {
	if index, ok := e.(*ast.IndexExpr); ok { // with a type argument
		e = index.X
	}
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	fn, ok := c.info.Uses[sel.Sel].(*types.Func)
	if !ok || fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return "", ""
	}
	return fn.Pkg().Path(), fn.Name()
}
