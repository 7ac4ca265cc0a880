package secretflags

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

func TestFlags(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := write("one", "0123456789abcdef\n"), write("two", "0123456789abcdef\nfedcba9876543210\n")
	same, short := write("same", "0123456789abcdef\n0123456789abcdef\n"), write("short", "0123\n")
	for _, c := range []struct {
		args []string
		mode network.SecretMode
		also bool
		says string
	}{
		{nil, network.SecretUnset, false, ""},
		{[]string{"-cluster_secret_file", one}, network.SecretRequire, false, ""},
		{[]string{"-cluster_secret_file", one, "-cluster_secret_mode", "send"}, network.SecretSend, false, ""},
		{[]string{"-cluster_secret_file", two, "-cluster_secret_mode", "require"}, network.SecretRequire, true, ""},
		{[]string{"-cluster_secret_mode", "send"}, 0, false, "needs -cluster_secret_file"},
		{[]string{"-cluster_secret_file", one, "-cluster_secret_mode", "ask"}, 0, false, `"ask", must be send or require`},
		{[]string{"-cluster_secret_file", short}, 0, false, "line 1 has 4 bytes"},
		{[]string{"-cluster_secret_file", same}, 0, false, "Secret.Also is equal"},
		{[]string{"-cluster_secret_file", one + "?"}, 0, false, "no such file"},
	} {
		var f Flags
		set := flag.NewFlagSet("", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		f.Register(set)
		if err := set.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		s, err := f.Secret()
		if s.Mode != c.mode || (len(s.Also) > 0) != c.also || (err == nil) != (c.says == "") {
			t.Errorf("%q: mode %v, %v", c.args, s.Mode, err)
		}
		if err != nil && (!errors.Is(err, ErrFlags) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "0123")) {
			t.Errorf("%q: %v, want %q", c.args, err, c.says)
		}
	}
}
