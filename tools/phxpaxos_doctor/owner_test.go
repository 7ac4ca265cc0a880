package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// ownedStore is a healthy store that says whose it is.
func ownedStore(t *testing.T, layout string) (string, identity.Identity) {
	t.Helper()
	dir := filepath.ToSlash(healthyStore(t, 3))
	id := identity.Identity{Node: 1<<32 | 0x0100007f, Cluster: [16]byte{0xab}, Groups: 3, Layout: layout, Directory: 0x77, Incarnation: 5}
	if err := identity.Save(osfs.FS{}, dir, id); err != nil {
		t.Fatal(err)
	}
	if err := identity.SaveStamps(osfs.FS{}, dir, identity.Identity{Groups: 3, Layout: "original", Directory: 0x77}, []int{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	return dir, id
}

func TestOwnerIsReported(t *testing.T) {
	dir, id := ownedStore(t, "original")
	r := diagnose(t, dir)
	if r.exitCode() != exitHealthy || r.Owner == nil || r.Owner.Incarnation != 5 || r.Owner.Groups != 3 || r.Owner.Node != id.Node.String() {
		t.Fatalf("%s, %+v, %+v", r.Verdict, r.Owner, r.Findings)
	}
	var out bytes.Buffer
	if err := printReport(&out, r); err != nil {
		t.Fatal(err)
	}
	if want := "cluster ab000000000000000000000000000000, 3 groups, original layout, directory 0000000000000077, incarnation 5"; !strings.Contains(out.String(), want) {
		t.Errorf("the report does not say %q:\n%s", want, &out)
	}
}

func TestOwnerThatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name        string
		layout      string
		spoil       func(dir string) error
		code        int
		check, file string
	}{
		{"another layout", "shared", nil, exitSuspicious, "identity", identity.FileName},
		{"newer", "original", func(dir string) error {
			return smallfile.Write(osfs.FS{}, dir+"/"+identity.FileName, "identity", 9, nil)
		}, exitNoVerdict, "format", identity.FileName},
		{"damaged", "original", func(dir string) error {
			return smallfile.Write(osfs.FS{}, dir+"/"+identity.FileName, "another kind", 1, nil)
		}, exitDamaged, "identity", identity.FileName},
		{"damaged stamp", "original", func(dir string) error {
			return smallfile.Write(osfs.FS{}, dir+"/g1/"+identity.StampName, "stamp", 1, []byte("too long to be one"))
		}, exitDamaged, "stamp", ""},
		{"stamp of another directory", "original", func(dir string) error {
			return identity.SaveStamps(osfs.FS{}, dir, identity.Identity{Groups: 3, Layout: "original", Directory: 0x78}, []int{1})
		}, exitSuspicious, "stamp", ""},
		{"fewer groups recorded", "original", func(dir string) error {
			return identity.Save(osfs.FS{}, dir, identity.Identity{Node: 1, Groups: 2, Layout: "original", Directory: 0x77})
		}, exitSuspicious, "identity", identity.FileName},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, _ := ownedStore(t, c.layout)
			if c.spoil != nil {
				if err := c.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, diagnose(t, dir), c.code, c.check, c.file, -1)
		})
	}
}
