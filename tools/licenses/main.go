package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The two files, relative to the root of the checkout.
const (
	inventoryFile = "third_party/modules.tsv"
	noticesFile   = "third_party/NOTICES.txt"
)

func main() {
	check := flag.Bool("check", false, "write nothing, fail if the files are not up to date")
	root := flag.String("root", ".", "the root of the checkout")
	flag.Parse()
	if err := run(*root, *check, purposes, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// run writes or checks both files.
func run(root string, check bool, purposes map[string]string, stdout io.Writer) error {
	modules, err := modulesOf(root)
	if err != nil {
		return err
	}
	required, err := requiredModules(root)
	if err != nil {
		return err
	}
	if err := describe(modules, required, purposes); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{inventoryFile, inventory(modules)},
		{noticesFile, notices(modules)},
	} {
		path := filepath.Join(root, f.name)
		if check {
			if err := compare(path, f.name, f.text); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, f.name)
	}
	return nil
}

// compare returns an error that names the first line that is not up to date.
func compare(path, name string, want []byte) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w; run: go run ./tools/licenses", err)
	}
	if bytes.Equal(got, want) {
		return nil
	}
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	line := 0
	for line < len(gotLines) && line < len(wantLines) && bytes.Equal(gotLines[line], wantLines[line]) {
		line++
	}
	have, need := []byte("(nothing)"), []byte("(nothing)")
	if line < len(gotLines) {
		have = gotLines[line]
	}
	if line < len(wantLines) {
		need = wantLines[line]
	}
	return fmt.Errorf("%s:%d: is %q, must be %q; run: go run ./tools/licenses", name, line+1, have, need)
}
