package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

var update = flag.Bool("update", false, "write docs/damage.md instead of comparing with it")

const (
	damageDoc   = "../../docs/damage.md"
	damageBegin = "<!-- go test ./tools/phxpaxos_doctor -run TestNodeOnDamage -update writes from here -->\n"
	damageEnd   = "<!-- to here -->\n"

	clusterInstances = 300 // what the table of damages was made for
)

// hospital is a cluster of three nodes on real sockets and disks, of which
// the last one's directory gets hurt again and again.
type hospital struct {
	t       *testing.T
	ids     []nodeid.ID
	healthy []*phxpaxos.Node
	values  [][]byte // by instance
}

func (h *hospital) run(me int, dir string) (*phxpaxos.Node, *vfile.Store, error) {
	store, err := vfile.Open(dir, 1, testOptions)
	if err != nil {
		return nil, nil, err
	}
	node, err := phxpaxos.Run(phxpaxos.Options{NoPacketCRC: true,
		MyNode: h.ids[me], Nodes: h.ids, LogStorage: store, StateMachines: []sm.StateMachine{&counter{}},
	})
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return node, store, nil
}

// admit lets the cluster choose its values and returns the directory of the
// third node, closed in order.
func admit(t *testing.T) (*hospital, string) {
	t.Helper()
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	h := &hospital{t: t, ids: ids}
	dir := t.TempDir()
	var third *phxpaxos.Node
	var store *vfile.Store
	for i := range ids {
		at := t.TempDir()
		if i == 2 {
			at = dir
		}
		node, s, err := h.run(i, at)
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			third, store = node, s
			continue
		}
		h.healthy = append(h.healthy, node)
		t.Cleanup(func() { node.Close(); s.Close() })
	}
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	for i := range clusterInstances {
		by := third
		if i == 8 || i == 10 {
			by = h.healthy[0] // so that ballots go up
		}
		value := bytes.Repeat([]byte{byte(i)}, 100)
		if _, err := by.Propose(ctx, 0, 1, value); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
		h.values = append(h.values, value)
	}
	if n, err := third.NowInstanceID(0); err != nil || n != clusterInstances {
		t.Fatalf("%d values are in %d instances, %v", clusterInstances, n, err)
	}
	if err := errors.Join(third.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	return h, dir
}

// outcome is what became of a node on a damaged directory.
type outcome struct {
	row  string // for people
	lost int    // values that it neither has nor knows to be damaged
}

// treat starts the third node on dir and watches it until it has caught up
// or stopped.
func (h *hospital) treat(dir string) outcome {
	h.t.Helper()
	node, store, err := h.run(2, dir)
	if err != nil {
		return outcome{row: "does not start: " + reason(err, dir)}
	}
	defer store.Close()
	defer node.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), await.Limit(h.t))
	defer cancel()
	// One more value shows whether it takes part, and moves it on.
	_, err = node.Propose(ctx, 0, 1, []byte("after the damage"))
	if err != nil {
		if node.GroupError(0) == nil {
			h.t.Errorf("propose: %v, and the group goes on", err)
		}
		return outcome{row: "starts, and the group stops: " + reason(err, dir)}
	}
	return h.compare(ctx, node)
}

// compare reads all values at the node.
func (h *hospital) compare(ctx context.Context, node *phxpaxos.Node) outcome {
	h.t.Helper()
	var damaged, missing, lost int
	for i, want := range h.values {
		got, err := node.GetInstanceValue(ctx, 0, uint64(i))
		switch {
		case err == nil && len(got) == 1 && bytes.Equal(got[0].Value, want):
		case err == nil:
			h.t.Errorf("instance %d: a wrong value is served", i)
			lost++
		case errors.Is(err, storage.ErrDamaged) || errors.Is(err, phxpaxos.ErrGroupFailed):
			damaged++
		case errors.Is(err, phxpaxos.ErrNotExist):
			missing++
		default:
			h.t.Errorf("instance %d: %v", i, err)
		}
	}
	first, err := node.MinChosenInstanceID(0)
	if err != nil || first < uint64(missing) {
		lost += missing // the log says that it has them
	}
	switch {
	case damaged > 0:
		return outcome{row: fmt.Sprintf("goes on; reading %d of the values is refused as damaged", damaged), lost: lost}
	case missing > 0:
		return outcome{row: fmt.Sprintf("goes on; its log begins at instance %d", first), lost: lost}
	}
	return outcome{row: "goes on with everything", lost: lost}
}

// numbers are what differs from run to run in an error.
var numbers = regexp.MustCompile(`\b([0-9]+|[0-9a-f]{8})\b([^.]|$)`)

// reason is an error for people: without the directory of the test, and what
// differs from run to run is N.
func reason(err error, dir string) string {
	text := strings.ReplaceAll(err.Error(), dir+"/", "")
	for _, drop := range []string{": log storage is damaged", "log storage (code -1): ", "group has stopped (code -1): ", "group 0: "} {
		text = strings.ReplaceAll(text, drop, "")
	}
	return numbers.ReplaceAllString(text, "N$2")
}

// TestNodeOnDamage inflicts every damage of the table on the directory of one
// of three nodes, asks the doctor, and starts the node again: no value is lost
// in silence and none is served wrong, whatever the damage.
func TestNodeOnDamage(t *testing.T) {
	h, original := admit(t)
	var table strings.Builder
	table.WriteString("| damage | the doctor says | the node |\n| --- | --- | --- |\n")
	for _, c := range damages {
		if c.name == "a group is missing" {
			continue // the node would begin anew; see the row of the wiped directory
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
			t.Fatal(err)
		}
		c.inflict(t, dir)
		report := diagnose(t, dir)
		got := h.treat(dir)
		if got.lost > 0 {
			t.Errorf("%s: %d values were lost in silence", c.name, got.lost)
		}
		if report.Verdict == "healthy" {
			t.Errorf("%s: the doctor sees nothing", c.name)
		}
		fmt.Fprintf(&table, "| %s | %s: `%s` | %s |\n", c.name, report.Verdict, c.check, got.row)
	}
	fmt.Fprintf(&table, "| disk full while appending | %s | %s |\n", h.fillDisk(original), "the group stops: no space left on device; with space again: goes on with everything")
	compareDoc(t, table.String())
}

// fillDisk lets the third node run out of space, and gives it some later. It
// returns the doctor's verdict between the two.
func (h *hospital) fillDisk(original string) string {
	t := h.t
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	opts := testOptions
	disk := &fullDisk{FS: osfs.FS{}}
	opts.FS = disk
	store, err := vfile.Open(dir, 1, opts)
	if err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{NoPacketCRC: true, MyNode: h.ids[2], Nodes: h.ids, LogStorage: store, StateMachines: []sm.StateMachine{&counter{}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	if _, err := node.Propose(ctx, 0, 1, []byte("there is space")); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	_, err = node.Propose(ctx, 0, 1, []byte("there is none"))
	if !errors.Is(err, phxpaxos.ErrGroupFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if _, err := h.healthy[0].Propose(ctx, 0, 1, []byte("the others go on")); err != nil {
		t.Error(err)
	}
	node.Close()
	store.Close() // it says that it is full
	report := diagnose(t, dir)
	if got := h.treat(dir); got.row != "goes on with everything" {
		t.Errorf("with space again the node %s", got.row)
	}
	return report.Verdict
}

// fullDisk is a disk whose writes fail while it is full.
type fullDisk struct {
	storage.FS
	full atomic.Bool
}

func (d *fullDisk) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := d.FS.Open(name, flags)
	if err != nil {
		return nil, err
	}
	return fullFile{f, d}, nil
}

type fullFile struct {
	storage.File
	disk *fullDisk
}

func (f fullFile) WriteAt(b []byte, offset int64) (int, error) {
	if !f.disk.full.Load() {
		return f.File.WriteAt(b, offset)
	}
	n, err := f.File.WriteAt(b[:len(b)/2], offset)
	return n, errors.Join(err, syscall.ENOSPC)
}

// compareDoc compares the table in the documents, or writes it.
func compareDoc(t *testing.T, table string) {
	t.Helper()
	doc, err := os.ReadFile(damageDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), damageBegin)
	was, after, ok2 := strings.Cut(rest, damageEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", damageDoc)
	}
	if *update {
		if err := os.WriteFile(damageDoc, []byte(before+damageBegin+table+damageEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != table {
		t.Errorf("%s is out of date; -update writes this:\n%s", damageDoc, table)
	}
}
