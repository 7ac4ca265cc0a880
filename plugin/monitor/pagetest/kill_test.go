package pagetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// binary is phxelection, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pagetest")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "phxelection")
	out, err := exec.Command("go", "build", "-o", path, "github.com/phxpaxos/phxpaxos-go/sample/phxelection").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building phxelection: %w\n%s", err, out)
	}
	return path, nil
})

var built string

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// redWithin is how soon the page has to show a node that was killed.
const redWithin = 3 * time.Second

// Real processes: one is killed, then comes back; then the one behind the page
// is killed.
func TestKilledNodeTurnsRed(t *testing.T) {
	if found() == "" && os.Getenv("CI") != "true" {
		open(t, "", 0) // says why it is skipped
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := nodeaddr.Free(6)
	if err != nil {
		t.Fatal(err)
	}
	nodes, monitors, dir := ids[:3], ids[3:], t.TempDir()
	start := func(i int) *process.Process {
		p, err := process.Start(dir, path, "-monitor", monitors[i].String(), "-monitor-peers", list(monitors), nodes[i].String(), list(nodes))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Wait(ctx, func(out string) bool { return strings.Contains(out, "run paxos ok\n") }); err != nil {
			t.Fatal(err)
		}
		return p
	}
	all := []*process.Process{start(0), start(1), start(2)}
	b := open(t, "http://"+monitors[0].String()+"/", 1200)
	state := func(i int) string {
		return fmt.Sprintf("(document.querySelector(\".node[data-node='%s']\") || {dataset: {}}).dataset.state", nodes[i])
	}
	for i := range 3 {
		b.until("node "+nodes[i].String()+" runs", state(i), "running")
	}
	b.until("a master", "document.querySelector('tr[data-group] [data-col=master]').textContent.startsWith('127.0.0.1:')", "true")

	for _, victim := range []int{2, 1} {
		all[victim].Kill()
		killed := time.Now()
		b.until("the killed node is down", state(victim), "down")
		took := time.Since(killed)
		t.Logf("node %d turned red after %v", victim+1, took.Round(time.Millisecond))
		if took > redWithin {
			t.Errorf("a killed node turned red after %v, at most %v may pass", took, redWithin)
		}
		red := b.eval(fmt.Sprintf("getComputedStyle(document.querySelector(\".node[data-node='%s']\")).borderTopColor", nodes[victim]))
		if want := b.eval("(() => { const e = document.createElement('i'); e.style.color = 'var(--bad)'; document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c; })()"); red != want {
			t.Errorf("its colour is %s, want %s", red, want)
		}
		if text := b.text("#verdict"); !strings.Contains(text, "1 of 3 nodes down") {
			t.Errorf("verdict %q", text)
		}
		b.shoot(fmt.Sprintf("killed-node-%d", victim+1))
		all[victim] = start(victim)
		b.until("it is back", state(victim), "running")
	}

	b.loses()
	all[0].Kill()
	b.until("the page says that it lost its node", "document.querySelector('#lost').hidden", "false")
	b.until("and shows it as down", state(0), "down")
	all[0] = start(0)
	b.until("the page is live again by itself", "document.querySelector('#live').dataset.state", "on")
	b.until("and shows the node", state(0), "running")
}

func list(ids []nodeid.ID) string {
	var names []string
	for id := range slices.Values(ids) {
		names = append(names, id.String())
	}
	return strings.Join(names, ",")
}
