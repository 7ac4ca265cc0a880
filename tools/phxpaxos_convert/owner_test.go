package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// silence is a network for a cluster of one node.
type silence struct{}

func (silence) Start(network.Receive) error           { return nil }
func (silence) Send(nodeid.ID, []byte, network.Class) {}
func (silence) Close() error                          { return nil }

// A node goes on in the converted directory as the one that it was, there and
// back again; groups without a record are not lost on the way.
func TestConvertedDirectoryBelongsToTheSameNode(t *testing.T) {
	me, err := nodeid.Parse("127.0.0.1:11111")
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	names := []string{filepath.Join(base, "a"), filepath.Join(base, "b"), filepath.Join(base, "c")}
	layouts := []phxpaxos.LogLayout{phxpaxos.LayoutShared, phxpaxos.LayoutOriginal, phxpaxos.LayoutShared}
	var before *identity.Identity
	for i, dir := range names {
		n, err := phxpaxos.Run(phxpaxos.Options{MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: dir, LogLayout: layouts[i], GroupCount: 5, Network: silence{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Propose(t.Context(), 1, 0, []byte("only in group 1")); err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		id, err := identity.Load(osfs.FS{}, filepath.ToSlash(dir))
		if err != nil || id == nil {
			t.Fatalf("%v, %v", id, err)
		}
		if before != nil && (id.Directory != before.Directory || id.Incarnation != before.Incarnation+1 || id.Node != before.Node || id.Groups != 5 || id.Layout != layouts[i].String()) {
			t.Errorf("%s says %v, it was %v", dir, id, before)
		}
		if before = id; i+1 < len(names) {
			if out, _ := convert(t, 0, dir, names[i+1]); !strings.Contains(out, "incarnation") {
				t.Errorf("the tool does not say whose log it is: %s", out)
			}
		}
	}
}

func TestDamagedIdentityIsNotConverted(t *testing.T) {
	for _, format := range []uint16{1, 9} {
		dir := newLog(t, layout.Shared)
		if err := smallfile.Write(osfs.FS{}, filepath.ToSlash(dir)+"/"+identity.FileName, "identity", format, []byte("?")); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "to")
		if _, errOut := convert(t, exitFailed, dir, to); !strings.Contains(errOut, identity.FileName) {
			t.Errorf("format %d: %s", format, errOut)
		}
	}
}
