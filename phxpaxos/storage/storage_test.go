package storage_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func TestWriteErrorMatchesItsGroups(t *testing.T) {
	err := error(&storage.WriteError{Groups: map[int]error{
		12: fmt.Errorf("sync: %w", storage.ErrFailed), 3: storage.ErrOrder,
	}})
	if !errors.Is(err, storage.ErrFailed) || !errors.Is(err, storage.ErrOrder) || errors.Is(err, storage.ErrDamaged) {
		t.Errorf("errors.Is does not see what the groups have: %v", err)
	}
}

func ExampleWriteError() {
	err := error(&storage.WriteError{Groups: map[int]error{2: storage.ErrOrder}})
	var we *storage.WriteError
	if errors.As(err, &we) {
		fmt.Println("group 2 failed:", we.Groups[2] != nil, "group 1 failed:", we.Groups[1] != nil)
	}
	fmt.Println(err)
	// Output:
	// group 2 failed: true group 1 failed: false
	// log storage write failed: group 2: instance is below the newest one of its group
}
