package main

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// An arrow names what a package may import of this module. The names are
// directories; "x/..." means x and everything below it.
type arrow struct {
	from string
	to   []string
}

// everybody may import these; they import nothing but each other.
var leaves = []string{"phxpaxos/nodeid", "phxpaxos/event", "phxpaxos/checksum"}

// arrows is the map of ARCHITECTURE.md. The first line that matches counts, so
// the special comes before the general. Every package needs a line: where a
// new one belongs is to be decided, not to happen.
var arrows = []arrow{
	{"phxpaxos/nodeid", nil},
	{"phxpaxos/event", nil},
	{"phxpaxos/checksum", nil},
	{"phxpaxos/timer", nil},
	{"phxpaxos/waitlock", nil},
	{"phxpaxos/crowd", nil},
	{"phxpaxos/await", nil},
	{"phxpaxos/sm", nil},
	{"phxpaxos/ledger", []string{"phxpaxos/sm"}},
	{"phxpaxos/feature", nil},
	{"phxpaxos/paxos", []string{"phxpaxos/timer"}},
	{"phxpaxos/wire", []string{"phxpaxos/wire/...", "phxpaxos/paxos", "phxpaxos/sm"}},
	{"phxpaxos/wire/...", []string{"phxpaxos/wire/..."}},
	{"phxpaxos/group/history", nil},
	{"phxpaxos/group", []string{"phxpaxos/group/history", "phxpaxos/paxos", "phxpaxos/wire/...", "phxpaxos/sm", "phxpaxos/timer", "phxpaxos/ledger", "phxpaxos/feature"}},
	{"phxpaxos/storage/...", []string{"phxpaxos/storage/..."}},
	{"phxpaxos/transfer", []string{"phxpaxos/wire", "phxpaxos/sm", "phxpaxos/storage", "phxpaxos/ledger"}},
	{"phxpaxos/network/freeaddr", nil},
	{"phxpaxos/network/...", []string{"phxpaxos/network/...", "phxpaxos/crowd"}},
	{"phxpaxos/sim/...", []string{
		"phxpaxos/sim/...", "phxpaxos/group", "phxpaxos/paxos", "phxpaxos/wire/...", "phxpaxos/sm",
		"phxpaxos/timer", "phxpaxos/storage/...", "phxpaxos/transfer", "phxpaxos/feature",
	}},
	{"phxpaxos", []string{
		"phxpaxos/group", "phxpaxos/paxos", "phxpaxos/wire/...", "phxpaxos/sm", "phxpaxos/timer",
		"phxpaxos/waitlock", "phxpaxos/crowd", "phxpaxos/storage/...", "phxpaxos/network/...", "phxpaxos/transfer",
		"phxpaxos/ledger", "phxpaxos/feature",
	}},
	{"plugin/network/...", []string{"plugin/network/...", "phxpaxos/network/...", "phxpaxos/wire", "phxpaxos/await"}}, // wire: who a packet is from
	{"plugin/statemachine/...", []string{"plugin/statemachine/...", "phxpaxos/sm"}},
	{"plugin/logger/...", []string{"plugin/logger/...", "phxpaxos"}},
	{"plugin/monitor/...", []string{"plugin/monitor/...", "phxpaxos"}},
	{"sample/...", []string{
		"sample/...", "plugin/...", "phxpaxos", "phxpaxos/sm", "phxpaxos/storage/...", "phxpaxos/network/...",
	}},
	{"tools/...", []string{"tools/...", "sample/...", "plugin/...", "phxpaxos/..."}},
	{"ut/...", []string{"ut/...", "tools/...", "sample/...", "plugin/...", "phxpaxos/..."}},
}

// vague names say nothing about what a package is for; internal would lock out
// the unit tests, which stand outside.
var vague = []string{"util", "utils", "common", "base", "manager", "helper", "helpers", "misc", "internal"}

// checkArrows checks the imports of one file and the name of its package. A
// test may import what it likes, since no package can depend on a test.
func checkArrows(t *tree, f *source) []finding {
	var found []finding
	if slices.Contains(vague, path.Base(f.dir)) && !f.test {
		found = append(found, at(t.fset, f.ast.Package, "the directory is called "+path.Base(f.dir),
			"name it after the one thing that it is for"))
	}
	if f.test {
		return found
	}
	to, known := allowed(f.dir)
	if !known && f.dir != "." {
		return append(found, at(t.fset, f.ast.Package, "package "+f.dir+" is not on the map",
			"decide what it may import and add it to tools/tidy/arrows.go and to ARCHITECTURE.md"))
	}
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the compiler says so
		}
		dir, ours := strings.CutPrefix(imported, t.module+"/")
		if !ours || slices.Contains(leaves, dir) || matchAny(to, dir) {
			continue
		}
		found = append(found, at(t.fset, spec.Pos(), f.dir+" must not import "+dir,
			"it may import "+list(to)+"; move the code, or pass in what it needs"))
	}
	return found
}

// allowed is what the package in dir may import; known is false if the table
// has no line for it.
func allowed(dir string) (to []string, known bool) {
	for _, a := range arrows {
		if match(a.from, dir) {
			return a.to, true
		}
	}
	return nil, false
}

func match(pattern, dir string) bool {
	above, all := strings.CutSuffix(pattern, "/...")
	return dir == above || all && strings.HasPrefix(dir, above+"/")
}

func matchAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, dir) })
}

func list(to []string) string {
	if len(to) == 0 {
		return "only " + strings.Join(leaves, ", ")
	}
	return strings.Join(slices.Concat(to, leaves), ", ")
}
