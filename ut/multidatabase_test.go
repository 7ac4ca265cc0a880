package ut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// The log storage of two groups, in a directory of its own for every test. Each
// test asks the same of both groups.
func TestMultiDatabase(t *testing.T) {
	report.Case(t,
		gtest.Test{Name: "ClearAllLog", Run: clearAllLog},
		gtest.Test{Name: "PUT_GET", Run: putGet},
		gtest.Test{Name: "Del", Run: del},
		gtest.Test{Name: "GetMaxInstanceID", Run: getMaxInstanceID},
		gtest.Test{Name: "Set_Get_MinChosenInstanceID", Run: setGetMinChosenInstanceID},
		gtest.Test{Name: "Set_Get_SystemVariables", Run: setGetSystemVariables},
		gtest.Test{Name: "Set_Get_MasterVariables", Run: setGetMasterVariables},
	)
}

const groups = 2

// fileBytesMax is the size of the value files. The original's 100 MiB would
// only cost time.
const fileBytesMax = 1 << 20

// database is an open storage.
type database struct {
	t     *testing.T
	store storage.LogStorage
}

func open(t *testing.T) database {
	t.Helper()
	store, err := vfile.Open(t.TempDir(), groups, vfile.Options{FileBytesMax: fileBytesMax})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return database{t, store}
}

// put writes a record of this group and instance durably.
func (d database) put(group int, instance uint64) {
	d.t.Helper()
	put := storage.Put{Group: group, Instance: instance, Data: record(group, instance), Sync: true}
	if err := d.store.Write([]storage.Put{put}); err != nil {
		d.t.Fatalf("group %d: write instance %d: %v", group, instance, err)
	}
}

func (d database) wantRecord(group int, instance uint64) {
	d.t.Helper()
	want := record(group, instance)
	got, err := d.store.Read(group, instance, nil)
	if err != nil || !bytes.Equal(got, want) {
		d.t.Errorf("group %d: read instance %d: %q, %v, want %q", group, instance, got, err, want)
	}
}

func (d database) wantNoRecord(group int, instance uint64) {
	d.t.Helper()
	if got, err := d.store.Read(group, instance, nil); !errors.Is(err, storage.ErrNotFound) {
		d.t.Errorf("group %d: read instance %d: %q, %v, want %v", group, instance, got, err, storage.ErrNotFound)
	}
}

// record is what an acceptor would keep, since the storage takes nothing else.
// It is not the same in both groups, so that a mix-up shows.
func record(group int, instance uint64) []byte {
	return wire.AppendRecord(nil, &paxos.Record{
		Instance: instance, Promised: ballot(1, me), Accepted: ballot(1, me),
		Value: fmt.Appendf(nil, "hello paxos, group %d instance %d", group, instance),
	})
}

// What was written is gone after Clear, in the cleared group alone.
func clearAllLog(t *testing.T) {
	d := open(t)
	for g := range groups {
		d.put(g, 3)
	}
	for g := range groups {
		d.wantRecord(g, 3)
		if err := d.store.Clear(g); err != nil {
			t.Errorf("group %d: Clear: %v", g, err)
		}
		d.wantNoRecord(g, 3)
		if _, err := d.store.Max(g); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("group %d: Max after Clear: %v, want %v", g, err, storage.ErrNotFound)
		}
	}
}

// What was never written is not found; what was written comes back.
func putGet(t *testing.T) {
	d := open(t)
	for g := range groups {
		d.wantNoRecord(g, 3)
		d.put(g, 3)
	}
	for g := range groups {
		d.wantRecord(g, 3)
	}
}

// A dropped record is gone, and dropping it once more is no error.
func del(t *testing.T) {
	d := open(t)
	for g := range groups {
		d.put(g, 3)
		for range 2 {
			if err := d.store.Drop(g, 3); err != nil {
				t.Errorf("group %d: Drop: %v", g, err)
			}
		}
		d.wantNoRecord(g, 3)
	}
}

// The highest instance is that of the last record, in each group.
func getMaxInstanceID(t *testing.T) {
	d := open(t)
	for g := range groups {
		if top, err := d.store.Max(g); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("group %d: Max = %d, %v, want %v", g, top, err, storage.ErrNotFound)
		}
		d.put(g, 4)
		d.put(g, 6)
		if top, err := d.store.Max(g); err != nil || top != 6 {
			t.Errorf("group %d: Max = %d, %v, want 6", g, top, err)
		}
	}
}

// wantVariable sets a variable and reads it back; before, it is not there, and
// the others never are.
func (d database) wantVariable(name storage.Variable, of func(group int) []byte) {
	d.t.Helper()
	for g := range groups {
		d.wantUnset(g, name)
		if err := d.store.SetVariable(g, name, of(g)); err != nil {
			d.t.Fatalf("group %d: set: %v", g, err)
		}
	}
	for g := range groups {
		if got, err := d.store.Variable(g, name); err != nil || !bytes.Equal(got, of(g)) {
			d.t.Errorf("group %d: %q, %v, want %q", g, got, err, of(g))
		}
		for _, other := range []storage.Variable{storage.MinChosen, storage.SystemVariables, storage.MasterVariables} {
			if other != name {
				d.wantUnset(g, other)
			}
		}
	}
}

func (d database) wantUnset(group int, name storage.Variable) {
	d.t.Helper()
	if got, err := d.store.Variable(group, name); !errors.Is(err, storage.ErrNotFound) {
		d.t.Errorf("group %d: variable %d, which is not set: %q, %v, want %v", group, name, got, err, storage.ErrNotFound)
	}
}

func setGetMinChosenInstanceID(t *testing.T) {
	open(t).wantVariable(storage.MinChosen, func(group int) []byte {
		return binary.LittleEndian.AppendUint64(nil, 102342342342+uint64(group))
	})
}

// The storage does not look into the other two: any bytes come back.
func setGetSystemVariables(t *testing.T) {
	open(t).wantVariable(storage.SystemVariables, func(group int) []byte { return opaque(group, 71) })
}

func setGetMasterVariables(t *testing.T) {
	open(t).wantVariable(storage.MasterVariables, func(group int) []byte { return opaque(group, 40) })
}

// opaque returns n bytes that are no message.
func opaque(group, n int) []byte {
	b := bytes.Repeat([]byte{0xff, 0, byte(group)}, n)
	return b[:n]
}
