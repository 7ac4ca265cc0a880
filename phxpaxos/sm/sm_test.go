package sm_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

func TestReserved(t *testing.T) {
	for id, want := range map[sm.ID]bool{
		sm.None: true, sm.System: true, sm.Master: true, sm.Batch: true,
		1: false, -1: false, sm.System - 1: false, sm.Batch + 1: false,
	} {
		if id.Reserved() != want {
			t.Errorf("ID(%d).Reserved() = %v, want %v", id, !want, want)
		}
	}
}
