package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parsed makes a tree of sources that are given as text.
func parsed(t *testing.T, files map[string]string) *tree {
	t.Helper()
	tr := &tree{module: "example.org/m", fset: token.NewFileSet()}
	for name, text := range files {
		if err := tr.add(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

// brief is where and what of findings, which is what most tests look at.
func brief(found []finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s:%d: %s", f.file, f.line, f.what))
	}
	slices.Sort(out)
	return out
}

func wantFindings(t *testing.T, found []finding, want ...string) {
	t.Helper()
	if got := brief(found); !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func arrowsOf(t *testing.T, name, text string) []finding {
	t.Helper()
	tr := parsed(t, map[string]string{name: text})
	return checkArrows(tr, tr.files[0])
}

func TestArrows(t *testing.T) {
	const m = `"example.org/m/`
	for _, c := range []struct {
		name, imports string
		want          []string
	}{
		{"phxpaxos/paxos/a.go", m + `phxpaxos/timer"; ` + m + `phxpaxos/nodeid"; ` + m + `phxpaxos/event"`, nil},
		{"phxpaxos/paxos/a.go", m + `phxpaxos/wire"`, []string{"phxpaxos/paxos must not import phxpaxos/wire"}},
		{"phxpaxos/wire/a.go", m + `phxpaxos/sm"; ` + m + `phxpaxos/wire/wirepb"`, nil},
		{"phxpaxos/wire/wirepb/a.go", m + `phxpaxos/wire"; ` + m + `phxpaxos/paxos"`, []string{"phxpaxos/wire/wirepb must not import phxpaxos/paxos"}},
		{"phxpaxos/sim/a.go", m + `phxpaxos"`, []string{"phxpaxos/sim must not import phxpaxos"}},
		{"phxpaxos/sim/a_test.go", m + `phxpaxos"`, nil},
		{"phxpaxos/storage/vfile/a.go", m + `phxpaxos/storage"`, nil},
		{"phxpaxos/storage/vfile/a.go", m + `phxpaxos/paxos"`, []string{"phxpaxos/storage/vfile must not import phxpaxos/paxos"}},
		{"phxpaxos/node.go", m + `phxpaxos/group"; ` + m + `phxpaxos/storage/vfile"`, nil},
		{"phxpaxos/node.go", m + `plugin/logger"`, []string{"phxpaxos must not import plugin/logger"}},
		{"phxpaxos/timer/a.go", m + `phxpaxos/sm"`, []string{"phxpaxos/timer must not import phxpaxos/sm"}},
		{"plugin/statemachine/a.go", m + `phxpaxos"`, []string{"plugin/statemachine must not import phxpaxos"}},
		{"sample/phxkv/a.go", m + `phxpaxos"; ` + m + `plugin/logger"`, nil},
		{"sample/phxkv/a.go", m + `phxpaxos/group"`, []string{"sample/phxkv must not import phxpaxos/group"}},
		{"phxpaxos/novelty/a.go", `"fmt"`, []string{"package phxpaxos/novelty is not on the map"}},
		{"sample/util/a.go", `"fmt"`, []string{"the directory is called util"}},
	} {
		var want []string
		for _, w := range c.want {
			line := 2
			if strings.Contains(w, "map") || strings.Contains(w, "called") {
				line = 1
			}
			want = append(want, fmt.Sprintf("%s:%d: %s", c.name, line, w))
		}
		wantFindings(t, arrowsOf(t, c.name, "package p\nimport ("+c.imports+")\n"), want...)
	}
}

// An arrow to a package that is not on the map would be a slip of the pen.
func TestEveryArrowLeadsSomewhereOnTheMap(t *testing.T) {
	for _, a := range arrows {
		for _, to := range a.to {
			dir := strings.TrimSuffix(to, "/...")
			if dir == "plugin" || dir == "sample" || dir == "tools" || dir == "ut" || dir == "phxpaxos" {
				continue
			}
			if _, ok := allowed(dir); !ok {
				t.Errorf("%s may import %s, which is not on the map", a.from, to)
			}
		}
	}
}

// Along the arrows nobody comes back to where he started: then the map would
// allow what the compiler forbids.
func TestMapHasNoCycles(t *testing.T) {
	var visit func(dir string, path []string)
	visit = func(dir string, path []string) {
		if slices.Contains(path, dir) {
			t.Fatalf("cycle: %s", strings.Join(append(path, dir), " -> "))
		}
		to, _ := allowed(dir)
		for _, next := range to {
			if next = strings.TrimSuffix(next, "/..."); next != dir {
				visit(next, append(path, dir))
			}
		}
	}
	for _, dir := range []string{"phxpaxos", "phxpaxos/group", "phxpaxos/wire", "phxpaxos/sim", "plugin/network"} {
		visit(dir, nil)
	}
}

// bansIn checks one file of a pure package whose body is given.
func bansIn(t *testing.T, text string) []finding {
	t.Helper()
	tr := parsed(t, map[string]string{"phxpaxos/paxos/a.go": text})
	info := newInfo()
	config := types.Config{Importer: importer.Default()}
	if _, err := config.Check("p", tr.fset, []*ast.File{tr.files[0].ast}, info); err != nil {
		t.Fatal(err)
	}
	return checkBans(tr.fset, tr.files[0].ast, info)
}

func TestBannedImports(t *testing.T) {
	found := bansIn(t, `package p
import (
	_ "sync"
	_ "sync/atomic"
	_ "os"
	_ "net"
	_ "net/netip"
	_ "log/slog"
	_ "slices"
)
`)
	const why = " in a package that lives on its inputs alone"
	wantFindings(t, found,
		"phxpaxos/paxos/a.go:3: import of sync"+why,
		"phxpaxos/paxos/a.go:4: import of sync/atomic"+why,
		"phxpaxos/paxos/a.go:5: import of os"+why,
		"phxpaxos/paxos/a.go:6: import of net"+why,
		"phxpaxos/paxos/a.go:8: import of log/slog"+why,
	)
}

func TestBannedStatements(t *testing.T) {
	found := bansIn(t, `package p
func f() {
	go f()
	var c chan int
	c <- 1
	<-c
	select {}
}
`)
	wantFindings(t, found,
		"phxpaxos/paxos/a.go:3: go statement",
		"phxpaxos/paxos/a.go:4: channel type",
		"phxpaxos/paxos/a.go:5: send to a channel",
		"phxpaxos/paxos/a.go:6: receive from a channel",
		"phxpaxos/paxos/a.go:7: select statement",
	)
}

// Names are looked up, so an alias, a dot import or a function that is passed
// on does not hide anything, and a method of the same name is no breach.
func TestBannedFunctions(t *testing.T) {
	found := bansIn(t, `package p
import (
	clock "time"
	. "math/rand/v2"
	old "math/rand"
)
type T struct{}
func (T) Now() clock.Duration { return clock.Second }
func f() {
	_ = T{}.Now()
	_ = clock.Now()
	g := clock.Sleep
	g(1)
	_ = IntN(3)
	r := New(NewPCG(1, 2))
	_ = r.IntN(3)
	_ = old.Int()
	_ = old.New(old.NewSource(1)).Int()
}
`)
	wantFindings(t, found,
		"phxpaxos/paxos/a.go:11: use of time.Now",
		"phxpaxos/paxos/a.go:12: use of time.Sleep",
		"phxpaxos/paxos/a.go:14: use of the global random source by math/rand/v2.IntN",
		"phxpaxos/paxos/a.go:17: use of the global random source by math/rand.Int",
	)
}

func TestRangeOverMap(t *testing.T) {
	found := bansIn(t, `package p
import ("maps"; "slices")
type named map[int]string
func f(m map[int]string, n named, s []int) {
	for range s {}
	for k := range m { _ = k }
	for k := range n { _ = k }
	// order does not show: the sum is the same
	for k := range m { _ = k }
	// order does not show: a reason that
	// takes two lines
	for k := range m { _ = k }
	// order does not show:
	for k := range m { _ = k }
	for _, k := range slices.Sorted(maps.Keys(m)) { _ = k }
	for k := range maps.Keys(m) { _ = k }
	_ = slices.Collect(maps.Values(m))
}
`)
	wantFindings(t, found,
		"phxpaxos/paxos/a.go:14: range over a map",
		"phxpaxos/paxos/a.go:16: iterator over a map",
		"phxpaxos/paxos/a.go:17: iterator over a map",
		"phxpaxos/paxos/a.go:6: range over a map",
		"phxpaxos/paxos/a.go:7: range over a map",
	)
}

func TestSize(t *testing.T) {
	function := func(lines int) string { return "func f() {\n" + strings.Repeat("\n", lines-2) + "}\n" }
	file := func(lines int) string { return "package p\n" + strings.Repeat("\n", lines-1) }
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"function at the limit": {"package p\n" + function(70), nil},
		"function above":        {"package p\n" + function(71), []string{"a.go:2: function f has 71 lines, at most 70"}},
		"file at the limit":     {file(500), nil},
		"file above":            {file(501), []string{"a.go:1: the file has 501 lines, at most 500"}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := parsed(t, map[string]string{"a.go": c.text})
			wantFindings(t, checkSize(tr.fset, tr.files[0]), c.want...)
		})
	}
}

func TestTexts(t *testing.T) {
	text := strings.Join([]string{
		"fine: network/tcp, https://example.org/work/x, a todo list, workshop",
		"see /wo" + "rk/main/x",
		"TO" + "DO: write",
		`dir := "/ho` + `me/joe/x"`,
		"context.TO" + "DO()",
	}, "\n")
	wantFindings(t, checkText("a.md", []byte(text)),
		`a.md:2: the path of somebody's machine: "/wo`+`rk/"`,
		`a.md:3: an unfinished end: "TO`+`DO"`,
		`a.md:4: the path of somebody's machine: "\"/ho`+`me/joe/"`,
		`a.md:5: an unfinished end: "TO`+`DO"`,
	)
	if found := checkText("binary", []byte("\x00 TO"+"DO")); found != nil {
		t.Errorf("a binary file was searched: %v", found)
	}
}

// write makes a checkout on disk.
func write(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The whole way: what is exempt, how it is printed, and the exit codes.
func TestRun(t *testing.T) {
	long := "package paxos\n" + strings.Repeat("\n", 600)
	root := write(t, map[string]string{
		"go.mod":                          "module example.org/m\n\ngo 1.24\n",
		"phxpaxos/paxos/a.go":             "package paxos\n\nimport \"time\"\n\nvar start = time.Now()\n",
		"phxpaxos/paxos/a_test.go":        strings.Replace(long, "\n", "\nfunc f() { go f() }\n", 1),
		"phxpaxos/paxos/gen.go":           "// Code generated by x. DO NOT EDIT.\n\n" + long,
		"phxpaxos/paxos/testdata/x.go":    "not even Go",
		"tools/other/go.mod":              "module example.org/other\n",
		"tools/other/a.go":                "package other\n\nimport \"example.org/m/phxpaxos\"\n",
		"README.md":                       "one\nFIX" + "ME\n",
		".hidden":                         "FIX" + "ME\n",
		"phxpaxos/storage/vfile/empty.go": "package vfile\n",
	})
	var stdout, stderr bytes.Buffer
	if code := run(root, &stdout, &stderr); code != 1 {
		t.Fatalf("exit code %d, want 1\n%s", code, stderr.String())
	}
	want := "README.md:2: an unfinished end: \"FIX" + "ME\"; finish it, or say in prose what is not there and why\n" +
		"phxpaxos/paxos/a.go:5: use of time.Now; use the time that came with the input, and a deadline to be called at\n"
	if stdout.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", stdout.String(), want)
	}
}

func TestRunClean(t *testing.T) {
	root := write(t, map[string]string{
		"go.mod":              "module example.org/m\n\ngo 1.24\n",
		"phxpaxos/paxos/a.go": "package paxos\n",
	})
	var stdout, stderr bytes.Buffer
	if code := run(root, &stdout, &stderr); code != 0 || stdout.Len()+stderr.Len() > 0 {
		t.Fatalf("exit code %d, output %q %q, want 0 and nothing", code, stdout.String(), stderr.String())
	}
}

func TestRunCannotLook(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no module":   {"a.go": "package a\n"},
		"no syntax":   {"go.mod": "module m\n", "a.go": "pack"},
		"wrong types": {"go.mod": "module m\n\ngo 1.24\n", "phxpaxos/paxos/a.go": "package paxos\n\nvar x int = \"\"\n"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(write(t, files), &stdout, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "tidy: ") {
			t.Errorf("%s: exit code %d, %q, want 2 and the reason", name, code, stderr.String())
		}
	}
}
