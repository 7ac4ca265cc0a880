package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// licence says how a licence is told by its text: all phrases occur in it, and
// none of the others. Letters are compared in lower case and any white space
// as one space, since authors break lines as they like.
type licence struct {
	spdx    string
	phrases []string
	without []string
}

var licences = []licence{
	{spdx: "Apache-2.0", phrases: []string{"apache license", "version 2.0, january 2004"}},
	{spdx: "MPL-2.0", phrases: []string{"mozilla public license version 2.0"}},
	{spdx: "MPL-2.0", phrases: []string{"mozilla public license, version 2.0"}},
	{spdx: "MIT", phrases: []string{
		"permission is hereby granted, free of charge, to any person obtaining a copy",
		"the above copyright notice and this permission notice shall be included",
		`the software is provided "as is", without warranty of any kind`,
	}},
	{spdx: "ISC", phrases: []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{spdx: "BSD-3-Clause", phrases: []string{bsdSource, bsdBinary, bsdNames}, without: []string{bsdAdvertising}},
	{spdx: "BSD-2-Clause", phrases: []string{bsdSource, bsdBinary}, without: []string{"used to endorse or promote", bsdAdvertising}},
	{spdx: "CC0-1.0", phrases: []string{"cc0 1.0 universal"}},
	{spdx: "Unlicense", phrases: []string{"this is free and unencumbered software released into the public domain"}},
}

const (
	bsdSource      = "redistributions of source code must retain the above copyright notice"
	bsdBinary      = "redistributions in binary form must reproduce the above copyright notice"
	bsdNames       = "used to endorse or promote products derived from this software without specific prior written permission"
	bsdAdvertising = "all advertising materials mentioning features or use of this software"
)

// detect returns the SPDX identifier of a licence text; several are joined by
// AND, since a file that holds several asks for all of them. It returns "" if
// it knows none.
func detect(text []byte) string {
	plain := strings.ToLower(strings.Join(strings.Fields(string(text)), " "))
	var found []string
	for _, l := range licences {
		if l.matches(plain) && !slices.Contains(found, l.spdx) {
			found = append(found, l.spdx)
		}
	}
	return strings.Join(found, " AND ")
}

func (l licence) matches(plain string) bool {
	contains := func(phrase string) bool { return strings.Contains(plain, phrase) }
	return !slices.ContainsFunc(l.without, contains) &&
		!slices.ContainsFunc(l.phrases, func(p string) bool { return !contains(p) })
}

// licenceFiles are the names that a licence file may have, in the order in
// which they are looked for.
var licenceFiles = []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING", "COPYING.txt", "License"}

// readLicence reads the licence file of a module.
func readLicence(m *module) error {
	for _, name := range licenceFiles {
		text, err := os.ReadFile(filepath.Join(m.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("licence of %s: %w", m.path, err)
		}
		if m.licence = detect(text); m.licence == "" {
			return fmt.Errorf("licence of %s: %s is none that is known; look at it and add it to tools/licenses/spdx.go if we may use it", m.path, name)
		}
		m.text = text
		return nil
	}
	return fmt.Errorf("licence of %s: no licence file, so nobody may use it", m.path)
}
