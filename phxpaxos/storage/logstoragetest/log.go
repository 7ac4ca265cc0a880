package logstoragetest

import (
	"errors"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func reopen(t *testing.T, f Factory, s storage.LogStorage) storage.LogStorage {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	s = f.Reopen(t, s)
	t.Cleanup(func() { s.Close() })
	return s
}

func testMax(t *testing.T, f Factory) {
	s := open(t, f, 2)
	mustWrite(t, s, put(0, 3, 1))
	wantMax(t, s, 0, 3)
	wantNoMax(t, s, 1)
	mustWrite(t, s, put(0, 3, 2), put(0, 1000000, 3), put(1, 1<<40, 1))
	wantMax(t, s, 0, 1000000)
	wantMax(t, s, 1, 1<<40)
}

func fill(t *testing.T, s storage.LogStorage, group int, n uint64) {
	t.Helper()
	for i := range n {
		mustWrite(t, s, put(group, i, i))
	}
}

func testTrim(t *testing.T, f Factory) {
	s := open(t, f, 2)
	fill(t, s, 0, 40)
	fill(t, s, 1, 40)
	if err := s.Trim(0, 25); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(40) {
		if i < 25 {
			wantAbsent(t, s, 0, i)
		} else {
			wantRecord(t, s, put(0, i, i))
		}
		wantRecord(t, s, put(1, i, i))
	}
	wantMax(t, s, 0, 39)
	if err := s.Trim(0, 3); err != nil { // going back trims nothing
		t.Fatal(err)
	}
	wantAbsent(t, s, 0, 24)
	wantRecord(t, s, put(0, 25, 25))
	if err := s.Trim(0, 40); err != nil {
		t.Fatal(err)
	}
	wantNoMax(t, s, 0)
	wantAbsent(t, s, 0, 39)
}

func testTrimKeepsWhatComesLater(t *testing.T, f Factory) {
	s := open(t, f, 2)
	if err := s.Trim(1, 100); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 0, 10)
	if err := s.Trim(0, 1000); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, put(0, 9, 77), put(0, 50, 1), put(1, 0, 5))
	wantRecord(t, s, put(0, 9, 77))
	wantRecord(t, s, put(0, 50, 1))
	wantRecord(t, s, put(1, 0, 5))
	wantAbsent(t, s, 0, 8)
	wantMax(t, s, 0, 50)
}

func testDrop(t *testing.T, f Factory) {
	s := open(t, f, 1)
	fill(t, s, 0, 10)
	mustWrite(t, s, put(0, 9, 100)) // a second record of the newest instance
	for _, instance := range []uint64{4, 9, 9, 1 << 50} {
		if err := s.Drop(0, instance); err != nil {
			t.Fatalf("Drop(%d): %v", instance, err)
		}
	}
	check := func(s storage.LogStorage) {
		t.Helper()
		wantAbsent(t, s, 0, 4)
		wantAbsent(t, s, 0, 9)
		wantMax(t, s, 0, 8)
		wantRecord(t, s, put(0, 5, 5))
	}
	check(s)
	if f.Reopen != nil {
		s = reopen(t, f, s)
		check(s)
	}
	mustWrite(t, s, put(0, 8, 200), put(0, 9, 201)) // it may come again
	wantRecord(t, s, put(0, 8, 200))
	wantRecord(t, s, put(0, 9, 201))
}

func testClear(t *testing.T, f Factory) {
	s := open(t, f, 2)
	fill(t, s, 0, 10)
	fill(t, s, 1, 10)
	set := func(name storage.Variable, value string) {
		t.Helper()
		if err := s.SetVariable(0, name, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	set(storage.MinChosen, "12345678")
	set(storage.SystemVariables, "members")
	set(storage.MasterVariables, "master")
	check := func() {
		t.Helper()
		wantNoMax(t, s, 0)
		wantAbsent(t, s, 0, 3)
		wantMax(t, s, 1, 9)
		wantVariable(t, s, 0, storage.SystemVariables, "members")
		wantVariable(t, s, 0, storage.MasterVariables, "master")
		if _, err := s.Variable(0, storage.MinChosen); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("MinChosen survived Clear: %v", err)
		}
	}
	for range 2 {
		if err := s.Clear(0); err != nil {
			t.Fatal(err)
		}
		check()
	}
	if f.Reopen != nil {
		s = reopen(t, f, s)
		check()
	}
	mustWrite(t, s, put(0, 2, 2)) // the log may begin anywhere
	wantRecord(t, s, put(0, 2, 2))
	wantMax(t, s, 0, 2)
}

func wantVariable(t *testing.T, s storage.LogStorage, group int, name storage.Variable, want string) {
	t.Helper()
	got, err := s.Variable(group, name)
	if err != nil || string(got) != want {
		t.Fatalf("Variable(%d, %d) = %q, %v, want %q", group, name, got, err, want)
	}
}

func testVariables(t *testing.T, f Factory) {
	s := open(t, f, 2)
	for name, value := range map[storage.Variable]string{
		storage.MinChosen: "\x05\x00\x00\x00\x00\x00\x00\x00", storage.SystemVariables: "s", storage.MasterVariables: "m",
	} {
		if err := s.SetVariable(0, name, []byte("12345678")); err != nil {
			t.Fatal(err)
		}
		if err := s.SetVariable(0, name, []byte(value)); err != nil {
			t.Fatal(err)
		}
		wantVariable(t, s, 0, name, value)
		if _, err := s.Variable(1, name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("group 1 has a variable of group 0: %v", err)
		}
	}
	wantNoMax(t, s, 0)
	if err := s.SetVariable(0, storage.MinChosen, []byte("short")); !errors.Is(err, storage.ErrRecord) {
		t.Errorf("MinChosen of 5 bytes: %v, want ErrRecord", err)
	}
	if f.Reopen != nil {
		s = reopen(t, f, s)
		wantVariable(t, s, 0, storage.SystemVariables, "s")
	}
}

func testClosed(t *testing.T, f Factory) {
	s := open(t, f, 1)
	mustWrite(t, s, put(0, 0, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	calls := map[string]error{
		"Write":       s.Write([]storage.Put{put(0, 1, 1)}),
		"Trim":        s.Trim(0, 1),
		"Drop":        s.Drop(0, 0),
		"Clear":       s.Clear(0),
		"SetVariable": s.SetVariable(0, storage.SystemVariables, []byte("x")),
		"Close":       s.Close(),
	}
	_, calls["Read"] = s.Read(0, 0, nil)
	_, calls["Max"] = s.Max(0)
	_, calls["Variable"] = s.Variable(0, storage.SystemVariables)
	for name, err := range calls {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func testReopen(t *testing.T, f Factory) {
	if f.Reopen == nil {
		t.Skip("the storage cannot be reopened")
	}
	s := open(t, f, 3)
	for i := range uint64(200) {
		p := put(int(i%2), i, i)
		p.Sync = false // closing makes it durable all the same
		mustWrite(t, s, p)
	}
	s = reopen(t, f, s)
	for i := range uint64(200) {
		wantRecord(t, s, put(int(i%2), i, i))
		wantAbsent(t, s, 2, i)
	}
	wantMax(t, s, 0, 198)
	wantMax(t, s, 1, 199)
	mustWrite(t, s, put(0, 198, 1), put(1, 200, 2), put(2, 0, 3))
	wantRecord(t, s, put(0, 198, 1))
	wantRecord(t, s, put(0, 196, 196))
}

func testReopenOften(t *testing.T, f Factory) {
	if f.Reopen == nil {
		t.Skip("the storage cannot be reopened")
	}
	s := open(t, f, 1)
	for i := range uint64(12) {
		mustWrite(t, s, put(0, i, i), put(0, i, i+1))
		s = reopen(t, f, s)
		wantMax(t, s, 0, i)
	}
	for i := range uint64(12) {
		wantRecord(t, s, put(0, i, i+1))
	}
}

func testFailedGroup(t *testing.T, f Factory) {
	if f.Fail == nil {
		t.Skip("the storage cannot be made to fail")
	}
	s := open(t, f, 3)
	mustWrite(t, s, put(0, 0, 0), put(1, 0, 0), put(2, 0, 0))
	f.Fail(t, s, 1)
	err := s.Write([]storage.Put{put(0, 1, 1), put(1, 1, 1), put(2, 1, 1)})
	var we *storage.WriteError
	if !errors.As(err, &we) || len(we.Groups) != 1 || !errors.Is(we.Groups[1], storage.ErrFailed) {
		t.Fatalf("Write: %v, want a *WriteError for group 1 alone that matches ErrFailed", err)
	}
	wantRecord(t, s, put(0, 1, 1))
	wantRecord(t, s, put(2, 1, 1))
	wantRecord(t, s, put(1, 0, 0)) // reading goes on
	for range 3 {
		err = s.Write([]storage.Put{put(1, 2, 2), put(0, 2, 2)})
		if !errors.As(err, &we) || len(we.Groups) != 1 || !errors.Is(we.Groups[1], storage.ErrFailed) {
			t.Fatalf("Write after the failure: %v, want ErrFailed for group 1", err)
		}
	}
	wantRecord(t, s, put(0, 2, 2))
	if err := s.SetVariable(1, storage.SystemVariables, []byte("x")); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("SetVariable after the failure: %v, want ErrFailed", err)
	}
	if f.Reopen == nil {
		return
	}
	s.Close()
	s = f.Reopen(t, s)
	defer s.Close()
	wantRecord(t, s, put(1, 0, 0))
	mustWrite(t, s, put(1, 1, 5), put(0, 3, 3))
	wantRecord(t, s, put(1, 1, 5))
}
