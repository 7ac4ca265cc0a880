package cmdline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func ExampleProgram() {
	args := []string{"sample", "127.0.0.1:11111", "127.0.0.1:11111,127.0.0.1:11112", "-storage_dir", "data"}
	o, _, ok := Program{Name: "sample"}.Parse(args, os.Stdout, os.Stderr)
	fmt.Println(ok, o.Me, len(o.Nodes), o.LogPath())
	// Output: true 127.0.0.1:11111 2 data/logpath_127.0.0.1_11111
}

func TestExplainSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	args := []string{"sample", "-storage_dir", dir, "127.0.0.1:11111", "127.0.0.1:11111"}
	o, _, ok := Program{}.Parse(args, io.Discard, io.Discard)
	if !ok {
		t.Fatal("arguments refused")
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EADDRNOTAVAIL, "not an address of this machine"},
		{storage.ErrInUse, "another running process"},
		{fs.ErrPermission, "right to write"},
		{syscall.ENOSPC, "make room"},
		{storage.ErrDamaged, "do not delete"},
		{phxpaxos.ErrNetwork, "network"},
		{errors.New("one\ntwo"), "one; two"},
	} {
		got := o.Explain(fmt.Errorf("wrapped: %w", tt.err))
		if !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("Explain(%v) = %q, want one line with %q", tt.err, got, tt.want)
		}
	}
	// A port below 1024 has nothing to do with the directory.
	if got := o.Explain(fmt.Errorf("%w: %w", phxpaxos.ErrNetwork, syscall.EACCES)); strings.Contains(got, "-storage_dir") {
		t.Errorf("advice for the wrong thing: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "logpath_127.0.0.1_11111"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := o.Explain(errors.New("any")); !strings.Contains(got, "not a directory") {
		t.Errorf("a file in place of the directory: %q", got)
	}
}
