package tutorial

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Every piece of Go in the tutorial is code of this package, to the letter.
func TestTutorialShowsThisCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, string(b))
	}
	blocks := strings.Split(string(text), "```go\n")[1:]
	if len(blocks) < 8 {
		t.Fatalf("found %d pieces of code", len(blocks))
	}
	for _, block := range blocks {
		piece, _, closed := strings.Cut(block, "```")
		found := false
		for _, c := range code {
			found = found || closed && strings.Contains(c, piece)
		}
		if !found {
			t.Errorf("not in this package:\n%s", piece)
		}
	}
}

func deposit(t *testing.T, m *Machine, instance uint64) {
	t.Helper()
	value, err := json.Marshal(Operation{ID: fmt.Sprint(instance), To: "ann", Amount: 1})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := m.Execute(sm.Entry{Instance: instance, Last: true, Value: value}); err != nil || string(result) != "ok" {
		t.Fatalf("%s, %v", result, err)
	}
}

func TestSnapshotReachesAnotherNode(t *testing.T) {
	from, err := OpenMachine(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for instance := range uint64(7) {
		deposit(t, from, instance)
	}
	snap, err := from.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Release()
	deposit(t, from, 7) // is not in the snapshot

	dir := t.TempDir()
	to, err := OpenMachine(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.LoadSnapshot(0, snap); err != nil {
		t.Fatal(err)
	}
	again, err := OpenMachine(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Machine{to, again} {
		if m.Balance("ann") != 7 || m.CheckpointInstance(0) != 6 {
			t.Errorf("balance %d, checkpoint %d", m.Balance("ann"), m.CheckpointInstance(0))
		}
	}
	snap.Instance++
	if err := to.LoadSnapshot(0, snap); err == nil || to.CheckpointInstance(0) != 6 {
		t.Errorf("a snapshot of another instance: %v", err)
	}
}
