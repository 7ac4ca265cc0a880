package event_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// One function sees everything that happens and picks what it wants.
func ExampleFunc() {
	var slowest time.Duration
	var observer event.Observer = event.Func(func(e event.Event) {
		if e.Kind == event.SyncDone {
			slowest = max(slowest, e.Took)
		}
	})

	observer.Observe(event.Event{Kind: event.Chosen, Group: 0, Instance: 7})
	observer.Observe(event.Event{Kind: event.SyncDone, Group: -1, Number: 3, Took: 2 * time.Millisecond})
	fmt.Println("slowest sync:", slowest)
	// Output: slowest sync: 2ms
}

// A kind without a name would be missing in logs and metrics, two with the
// same name would be counted as one.
func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]event.Kind{}
	for k := event.None + 1; int(k) < event.Kinds; k++ {
		name := k.String()
		if name == "" || name == event.None.String() {
			t.Errorf("kind %d has no name", k)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("kinds %d and %d are both called %q", other, k, name)
		}
		seen[name] = k
	}
}

// The original has 122 breakpoints (spec/storage-api.md section 8); each is
// one kind here.
func TestEveryBreakpointHasItsOwnKind(t *testing.T) {
	seen := map[string]event.Kind{}
	for k := event.None; int(k) < event.Kinds; k++ {
		name := k.Original()
		if name == "" {
			continue
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%v and %v are both the original's %q", other, k, name)
		}
		seen[name] = k
	}
	if len(seen) != 122 {
		t.Errorf("%d of the original's 122 breakpoints have a kind", len(seen))
	}
}

// The constants and the table of names are two lists; a line that slipped in
// one of them would show here.
func TestNamesMatchConstants(t *testing.T) {
	for _, v := range []struct {
		kind           event.Kind
		name, original string
	}{
		{event.ProposeStart, "ProposeStart", "NewProposal"},
		{event.Accepted, "Accepted", "OnAcceptPass"},
		{event.CommitGateReject, "CommitGateReject", "NewValueGetLockReject"},
		{event.RecordDamaged, "RecordDamaged", "GetFileChecksumNotEquel"},
		{event.MasterRepair, "MasterRepair", "MasterSMInconsistent"},
		{event.Replay, "Replay", ""},
	} {
		if v.kind.String() != v.name || v.kind.Original() != v.original {
			t.Errorf("kind %d is %q (%q), want %q (%q)", v.kind, v.kind, v.kind.Original(), v.name, v.original)
		}
	}
}

func TestKindOutOfRange(t *testing.T) {
	for _, k := range []event.Kind{event.None, event.Kind(event.Kinds), 255} {
		if k.String() != "None" || k.Original() != "" {
			t.Errorf("kind %d is %q (%q), want None", k, k, k.Original())
		}
	}
}
