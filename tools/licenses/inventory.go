package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// describe fills in licence and purpose of every module. All that is missing,
// or there for nothing, is reported at once; a purpose is there for nothing if
// its module is neither used nor required by go.mod.
func describe(modules []*module, required []string, purposes map[string]string) error {
	var errs []error
	used := map[string]bool{}
	for _, path := range required {
		used[path] = true
	}
	for _, m := range modules {
		used[m.path] = true
		if m.purpose = purposes[m.path]; m.purpose == "" {
			errs = append(errs, fmt.Errorf("%s (%s) is used, but tools/licenses/purposes.go does not say what for", m.path, m.use))
		}
		if err := readLicence(m); err != nil {
			errs = append(errs, err)
		}
	}
	for path := range purposes {
		if !used[path] {
			errs = append(errs, fmt.Errorf("%s is in tools/licenses/purposes.go, but nothing uses it any more", path))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// inventory is the text of modules.tsv.
func inventory(modules []*module) []byte {
	var b bytes.Buffer
	b.WriteString("module\tversion\tlicence\tlinked into\twhat for\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\n", m.path, m.version, m.licence, m.use, m.purpose)
	}
	return b.Bytes()
}

// notices is the text of NOTICES.txt: the licence texts of what is linked into
// binaries that somebody might pass on, each text once.
func notices(modules []*module) []byte {
	var texts []string
	users := map[string][]string{}
	for _, m := range modules {
		if m.use > programs {
			continue
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(m.text), "\r\n", "\n"))
		if users[text] == nil {
			texts = append(texts, text)
		}
		users[text] = append(users[text], m.path)
	}
	var b bytes.Buffer
	b.WriteString("The programs of this repository contain code of others, under these licences.\n")
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), strings.Join(users[text], "\n"), text)
	}
	return b.Bytes()
}
