package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is somebody else's code that is used.
type module struct {
	path    string
	version string
	dir     string // where its source lies on this machine
	use     use
	licence string // SPDX identifier
	text    []byte // of the licence
	purpose string
}

// use says where a module ends up; the lowest that applies counts.
type use int

const (
	library   use = iota // in every program that imports package phxpaxos
	plugins              // in programs that import a plugin
	programs             // in the samples and tools
	tests                // in test binaries only
	generator            // in no binary; it generates code
)

var useNames = [...]string{"library", "plugins", "programs", "tests", "generator"}

func (u use) String() string { return useNames[u] }

// standardLibrary is the module path that stands for what comes with Go.
const standardLibrary = "std"

// modulesOf finds the modules that the code at root uses, ordered by path.
func modulesOf(root string) ([]*module, error) {
	found := map[string]*module{}
	for _, q := range []struct {
		use   use
		roots func(root string) ([]string, error)
		flags []string
	}{
		{library, libraryPackages, nil},
		{plugins, pluginPackages, nil},
		{programs, mainPackages, nil},
		{tests, everyPackage, []string{"-test"}},
		{generator, toolPackages, nil},
	} {
		roots, err := q.roots(root)
		if err != nil {
			return nil, err
		}
		if len(roots) == 0 { // the go command would take the current directory
			continue
		}
		deps, err := dependencies(root, roots, q.flags)
		if err != nil {
			return nil, err
		}
		for _, m := range deps {
			if found[m.path] == nil {
				m.use = q.use
				found[m.path] = m
			}
		}
	}
	std, err := standard(root)
	if err != nil {
		return nil, err
	}
	modules := []*module{std}
	for _, m := range found {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b *module) int { return cmp.Compare(a.path, b.path) })
	return modules, nil
}

func libraryPackages(root string) ([]string, error) { return goList(root, "./phxpaxos") }

func pluginPackages(root string) ([]string, error) {
	packages, err := everyPackage(root)
	return slices.DeleteFunc(packages, func(p string) bool { return !strings.Contains(p, "/plugin/") }), err
}

func mainPackages(root string) ([]string, error) {
	return goList(root, "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "./...")
}

func everyPackage(root string) ([]string, error) { return goList(root, "./...") }

// toolPackages are what go.mod names in its tool lines.
func toolPackages(root string) ([]string, error) { return goList(root, "tool") }

// requiredModules are the modules that go.mod requires, used or not.
func requiredModules(root string) ([]string, error) {
	out, err := goCommand(root, []string{"mod", "edit", "-json"})
	if err != nil {
		return nil, err
	}
	var mod struct{ Require []struct{ Path string } }
	if err := json.Unmarshal(out, &mod); err != nil {
		return nil, fmt.Errorf("read the answer of go mod edit: %w", err)
	}
	var paths []string
	for _, r := range mod.Require {
		paths = append(paths, r.Path)
	}
	return paths, nil
}

// goList runs go list and returns the lines of its answer.
func goList(root string, args ...string) ([]string, error) {
	out, err := goCommand(root, append([]string{"list"}, args...))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}

// goCommand runs the go command. The system and the processor are fixed, so
// that the answer is the same on every machine.
func goCommand(root string, args []string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, &stderr
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// dependencies returns the modules of all packages that the roots need.
func dependencies(root string, roots, flags []string) ([]*module, error) {
	args := slices.Concat([]string{"list", "-deps", "-json=Module"}, flags, roots)
	out, err := goCommand(root, args)
	if err != nil {
		return nil, err
	}
	var modules []*module
	seen := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return modules, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the answer of go list: %w", err)
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		modules = append(modules, &module{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir})
	}
}

var goLine = regexp.MustCompile(`(?m)^go\s+(\S+)`)

// standard is the standard library, in the version that go.mod asks for.
func standard(root string) (*module, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	m := goLine.FindSubmatch(mod)
	if m == nil {
		return nil, errors.New("go.mod has no go line")
	}
	goroot, err := goCommand(root, []string{"env", "GOROOT"})
	if err != nil {
		return nil, err
	}
	return &module{path: standardLibrary, version: "go" + string(m[1]), dir: strings.TrimSpace(string(goroot))}, nil
}
