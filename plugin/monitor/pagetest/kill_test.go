package pagetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// binary is phxelection, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pagetest")
	if err != nil {
		return "", err
	}
	end = append(end, func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "phxelection")
	out, err := exec.Command("go", "build", "-o", path, "github.com/phxpaxos/phxpaxos-go/sample/phxelection").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building phxelection: %w\n%s", err, out)
	}
	return path, nil
})

// redWithin is how soon the page of a quiet machine has to show a node that was
// killed.
const redWithin = 3 * time.Second

// Real processes: one is killed, then comes back; then the one behind the page
// is killed.
func TestKilledNodeTurnsRed(t *testing.T) {
	needsBrowser(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ids, release, err := freeaddr.Hold(6)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	nodes, monitors, dir := ids[:3], ids[3:], t.TempDir()
	start := func(i int) *process.Process {
		p, err := process.Start(dir, path, "-monitor", monitors[i].String(), "-monitor-peers", list(monitors), nodes[i].String(), list(nodes))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
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

	const victim = 2
	// The page itself takes the time, since a browser on a busy machine may
	// take long to answer the test.
	b.eval(fmt.Sprintf(`new MutationObserver(() => { if (%s === "down") window.turnedRed ??= Date.now(); }).observe(document.querySelector("#nodes"), { attributes: true, subtree: true })`, state(victim)))
	all[victim].Kill()
	killed := time.Now()
	b.until("the killed node is down", state(victim), "down")
	red, err := strconv.ParseInt(b.eval("window.turnedRed"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	await.Took(t, "a killed node turned red", time.UnixMilli(red).Sub(killed), redWithin)
	want := b.eval("(() => { const e = document.createElement('i'); e.style.color = 'var(--bad)'; document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c; })()")
	b.until("its colour", fmt.Sprintf("getComputedStyle(document.querySelector(\".node[data-node='%s']\")).borderTopColor", nodes[victim]), want)
	b.until("the verdict says so", "document.querySelector('#verdict').textContent.includes('1 of 3 nodes down')", "true")
	b.shoot("killed-node")
	all[victim] = start(victim)
	b.until("it is back", state(victim), "running")

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
