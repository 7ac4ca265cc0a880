package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Versions are read as C's strtoull does.
func TestParseVersion(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "7": 7, "18446744073709551615": math.MaxUint64, "18446744073709551616": math.MaxUint64,
		"-1": math.MaxUint64, "+3": 3, " \t12": 12, "12abc": 12, "abc": 0, "": 0, "-": 0, "- 1": 0, "0x10": 0, "--1": 0,
		"-18446744073709551615": 1, "-18446744073709551616": math.MaxUint64, "00012": 12,
	} {
		got, clean := parseVersion(in)
		if got != want {
			t.Errorf("parseVersion(%q) = %d, want %d", in, got, want)
		}
		if _, err := strconv.ParseUint(in, 10, 64); clean != (err == nil) {
			t.Errorf("parseVersion(%q): clean %v", in, clean)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "  \t ": nil, "a b  c": {"a", "b", "c"}, `a "b c" d`: {"a", "b c", "d"},
		`"" x`: {"", "x"}, `"\x00\xff\t\""`: {"\x00\xff\t\""}, `a"b`: {`a"b`}, "ключ 值": {"ключ", "值"},
	} {
		if got, err := splitWords(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("splitWords(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`"open`, `"a"b`, `"\q"`} {
		if got, err := splitWords(in); err == nil {
			t.Errorf("splitWords(%q) = %q", in, got)
		}
	}
}

func TestParseLine(t *testing.T) {
	for _, bad := range []string{
		"frobnicate a", "status", "put a b", "put a b c", "put a b -1", "put a b 0 0", "delete a", "delete a x", "getlocal", "getglobal a b", "put zz 00 0",
	} {
		if op, err := parseLine(bad, "hex"); err == nil {
			t.Errorf("parseLine(%q) = %+v", bad, op)
		}
	}
	for _, nothing := range []string{"", "  ", "# put a b 0", "#"} {
		if op, err := parseLine(nothing, ""); op != nil || err != nil {
			t.Errorf("parseLine(%q) = %+v, %v", nothing, op, err)
		}
	}
	op, err := parseLine("put ff00 0a 7", "hex")
	if err != nil || op.key != "\xff\x00" || string(op.value) != "\n" || op.version != 7 {
		t.Errorf("parseLine = %+v, %v", op, err)
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"put a b 0", `put "a b" "\xff" 18446744073709551615`, "# x", "getlocal", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if words, err := splitWords(line); err == nil {
			var quoted []string
			for _, word := range words {
				quoted = append(quoted, strconv.Quote(word))
			}
			again, err := splitWords(strings.Join(quoted, " "))
			if err != nil || !slices.Equal(again, words) {
				t.Errorf("%q gave %q, which reads back as %q, %v", line, words, again, err)
			}
		}
		for _, e := range []encoding{"", "hex", "base64"} {
			op, err := parseLine(line, e)
			if err == nil && op != nil && !commands()[op.name].original {
				t.Errorf("%q is %+v", line, op)
			}
		}
		parseVersion(line)
	})
}

func TestEncoding(t *testing.T) {
	const any = "\x00\xff a\n"
	for _, e := range []encoding{"", "hex", "base64"} {
		if back, err := e.decode(e.encode(any)); err != nil || back != any {
			t.Errorf("%s: %q, %v", e.String(), back, err)
		}
	}
	var e encoding
	if err := e.Set("rot13"); err == nil {
		t.Error("took rot13")
	}
}
