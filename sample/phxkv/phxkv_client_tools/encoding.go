package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// encoding is how keys and values are written; empty means text.
type encoding string

// String and Set make it a flag.
func (e *encoding) String() string {
	if *e == "" {
		return "text"
	}
	return string(*e)
}

// Set reads the flag.
func (e *encoding) Set(s string) error {
	switch s {
	case "text", "hex", "base64":
		*e = encoding(s)
		return nil
	}
	return fmt.Errorf("%q is no encoding, must be text, hex or base64", s)
}

func (e encoding) decode(s string) (string, error) {
	var b []byte
	var err error
	switch e {
	case "hex":
		b, err = hex.DecodeString(s)
	case "base64":
		b, err = base64.StdEncoding.DecodeString(s)
	default:
		return s, nil
	}
	if err != nil {
		return "", fmt.Errorf("%q is not %s: %w", s, e, err)
	}
	return string(b), nil
}

func (e encoding) encode(s string) string {
	switch e {
	case "hex":
		return hex.EncodeToString([]byte(s))
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	return s
}

// parseVersion reads a number as C's strtoull does: what is no number is 0,
// what is too large the largest, and a minus sign wraps around. clean is false
// if it was none of "0" to "18446744073709551615".
func parseVersion(s string) (version uint64, clean bool) {
	if version, err := strconv.ParseUint(s, 10, 64); err == nil {
		return version, true
	}
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	s, negative := strings.CutPrefix(s, "-")
	if !negative {
		s = strings.TrimPrefix(s, "+")
	}
	if end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		s = s[:end]
	}
	version, err := strconv.ParseUint(s, 10, 64)
	if err != nil && s != "" {
		return ^uint64(0), false
	}
	if negative {
		version = -version
	}
	return version, false
}
