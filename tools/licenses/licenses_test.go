package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software. The above copyright notice and this permission notice shall
be included in all copies.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
`

const bsd2 = `Copyright 2012 Somebody. All rights reserved.

    * Redistributions of source code must retain the above copyright
notice, this list of conditions.
    * Redistributions in binary form must reproduce the above copyright
notice in the documentation.
`

const bsd3 = bsd2 + `   * Neither the name of Somebody nor the names of its contributors may be
used to endorse or promote products derived from this software without
specific prior written permission.
`

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"MIT":                 {mit, "MIT"},
		"two clauses":         {bsd2, "BSD-2-Clause"},
		"three clauses":       {bsd3, "BSD-3-Clause"},
		"other line breaks":   {strings.Join(strings.Fields(bsd3), "\r\n"), "BSD-3-Clause"},
		"four clauses":        {bsd3 + "All advertising materials mentioning features or use of this software must say so.", ""},
		"Apache":              {"   Apache License\n   Version 2.0, January 2004\n", "Apache-2.0"},
		"two licences":        {mit + "\n" + bsd3, "MIT AND BSD-3-Clause"},
		"MIT without notice":  {strings.Replace(mit, "The above copyright", "Some", 1), ""},
		"endorsement changed": {bsd2 + "The name may not be used to endorse or promote anything.", ""},
		"all rights reserved": {"Copyright 2020 Somebody. All rights reserved.", ""},
		"nothing":             {"", ""},
	} {
		if got := detect([]byte(c.text)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The texts that come with Go are there on every machine.
func TestDetectRealText(t *testing.T) {
	m, err := standard(checkout(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := readLicence(m); err != nil {
		t.Skipf("this Go has no licence file: %v", err)
	}
	if m.licence != "BSD-3-Clause" {
		t.Errorf("Go's licence is found to be %q", m.licence)
	}
}

func inDir(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDescribe(t *testing.T) {
	modules := []*module{
		{path: "a", dir: inDir(t, "COPYING", mit)},
		{path: "b", dir: inDir(t, "LICENSE", bsd2)},
	}
	if err := describe(modules, []string{"c"}, map[string]string{"a": "x", "b": "y", "c": "required, not used yet"}); err != nil {
		t.Fatal(err)
	}
	if modules[0].licence != "MIT" || modules[0].purpose != "x" || modules[1].licence != "BSD-2-Clause" {
		t.Errorf("described as %+v, %+v", modules[0], modules[1])
	}
}

func TestDescribeReportsAllThatIsWrong(t *testing.T) {
	modules := []*module{
		{path: "new", dir: inDir(t, "LICENSE", mit)},
		{path: "unknown", dir: inDir(t, "LICENSE", "pay me")},
		{path: "none", dir: t.TempDir()},
	}
	err := describe(modules, nil, map[string]string{"unknown": "x", "none": "y", "gone": "z"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"new (library) is used, but", "licence of unknown: LICENSE is none that is known", "licence of none: no licence file", "gone is in"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

func TestTexts(t *testing.T) {
	modules := []*module{
		{path: "a", version: "v1", licence: "MIT", use: library, purpose: "x", text: []byte(mit)},
		{path: "b", version: "v2", licence: "MIT", use: programs, purpose: "y", text: []byte(mit)},
		{path: "c", version: "v3", licence: "BSD-2-Clause", use: tests, purpose: "z", text: []byte(bsd2)},
	}
	want := "module\tversion\tlicence\tlinked into\twhat for\na\tv1\tMIT\tlibrary\tx\nb\tv2\tMIT\tprograms\ty\nc\tv3\tBSD-2-Clause\ttests\tz\n"
	if got := inventory(modules); string(got) != want {
		t.Errorf("inventory\n%s\nwant\n%s", got, want)
	}
	got := notices(modules)
	if bytes.Count(got, []byte("MIT License")) != 1 || !bytes.Contains(got, []byte("\na\nb\n")) {
		t.Errorf("the text that two modules share is not there once, for both:\n%s", got)
	}
	if bytes.Contains(got, []byte("Redistributions")) {
		t.Error("the notices hold the licence of what is in no program")
	}
}

// checkout is a module without dependencies, so that the go command needs
// nothing but itself.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":             "module example.org/m\n\ngo 1.24\n",
		"phxpaxos/node.go":   "package phxpaxos\n\nimport _ \"fmt\"\n",
		"third_party/README": "",
	} {
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

func TestModulesOf(t *testing.T) {
	modules, err := modulesOf(checkout(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) != 1 || modules[0].path != standardLibrary || modules[0].version != "go1.24" {
		t.Errorf("modules %+v, want the standard library of the go line", modules)
	}
}

// Written files pass the check, and no longer do once the code has changed.
func TestRun(t *testing.T) {
	root, purposes := checkout(t), map[string]string{standardLibrary: "everything"}
	if err := run(root, true, purposes, io.Discard); err == nil {
		t.Fatal("the check passes before the files are written")
	}
	if err := run(root, false, purposes, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true, purposes, io.Discard); err != nil {
		t.Fatalf("the check fails right after the files were written: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.org/m\n\ngo 1.25\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true, purposes, io.Discard); err == nil || !strings.Contains(err.Error(), "modules.tsv:2") {
		t.Fatalf("after a new version the check says: %v", err)
	}
}

func TestCompare(t *testing.T) {
	file := filepath.Join(inDir(t, "f", "a\nold\n"), "f")
	if err := compare(file, "f", []byte("a\nold\n")); err != nil {
		t.Errorf("equal texts: %v", err)
	}
	for want, text := range map[string]string{
		`f:2: is "old", must be "new"`:    "a\nnew\n",
		`f:3: is "", must be "more"`:      "a\nold\nmore\n",
		`f:3: is "", must be "(nothing)"`: "a\nold",
		`run: go run ./tools/licenses`:    "",
	} {
		if err := compare(file, "f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := compare(file+"x", "f", nil); err == nil || !strings.Contains(err.Error(), "run: go run") {
		t.Errorf("missing file: %v", err)
	}
}
