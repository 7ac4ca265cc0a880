package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

// copyFiles puts the files of one certificate in the place of another's.
func copyFiles(t *testing.T, from, to certtest.Pair) {
	t.Helper()
	for old, path := range map[string]string{from.CertFile: to.CertFile, from.KeyFile: to.KeyFile} {
		text, err := os.ReadFile(old)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Three processes prove to each other who they are. One whose certificate has
// expired stays outside until it is renewed, without a restart.
func TestClusterWithTLS(t *testing.T) {
	c := newCluster(t, 3)
	authority, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var pairs []certtest.Pair
	for i, name := range []string{"a.example", "b.example", "c.example"} {
		leaf := certtest.Leaf{Names: []string{name}}
		if i == 2 {
			leaf.NotBefore, leaf.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}
		pair, err := authority.Issue(leaf)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, pair)
	}
	for i, pair := range pairs {
		c.nodes[i] = launch(t, c.dir, "-tls-cert", pair.CertFile, "-tls-key", pair.KeyFile, "-tls-ca", authority.CAFile,
			"-tls-allow", "a.example,b.example,c.example", "-log_dir", filepath.Join("log", string(rune('1'+i))),
			c.ids[i].String(), nodeaddr.List(c.ids))
		c.shows(i+1, prompt)
	}
	c.answers(1, "among two", 2)
	c.typed(3, "from outside")
	refused := func() bool {
		text, err := os.ReadFile(filepath.Join(c.dir, "log", "1", "phxecho.WARNING"))
		return err == nil && strings.Contains(string(text), "refused who connected from=127.0.0.1") && strings.Contains(string(text), "expired")
	}
	await.True(t, "node 1 logs that node 3 was refused", refused)
	if out := c.nodes[2].Stdout(); strings.Contains(out, "SM Execute") {
		t.Fatalf("node 3 is outside and executed something: %q", out)
	}
	renewed, err := authority.Issue(certtest.Leaf{Names: []string{"c.example"}})
	if err != nil {
		t.Fatal(err)
	}
	copyFiles(t, renewed, pairs[2])
	c.executes(3, "among two")
	c.shows(3, "echo resp value from outside\n"+prompt)
	c.executes(1, "from outside")
	c.terminate(1, 2, 3)
}

func TestTLSFlags(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	p := launch(t, c.dir, "-tls-cert", "a", "-tls-key", "b", "-tls-ca", "c", me, me)
	exits(t, p, cmdline.ExitUsage)
	if !strings.Contains(p.Stderr(), "-tls-allow is missing") {
		t.Errorf("stderr %q", p.Stderr())
	}
	refused(t, c.dir, "run paxos fail, ret -1\n", "c: no such file", "-tls-cert", "a", "-tls-key", "b", "-tls-ca", "c", "-tls-allow", "*", me, me)
}
