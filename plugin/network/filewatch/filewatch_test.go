package filewatch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/network/filewatch"
)

func ExampleFiles() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("filewatch-example-%d", os.Getpid()))
	defer os.Remove(path)
	files := filewatch.New(time.Second, path)
	read := func() error {
		text, err := os.ReadFile(path)
		fmt.Printf("%q\n", text)
		return err
	}
	os.WriteFile(path, []byte("one"), 0o600)
	fmt.Println(files.Changed(), files.Read(read))
	fmt.Println(files.Changed())
	os.WriteFile(path, []byte("three"), 0o600)
	fmt.Println(files.Changed())
	// Output:
	// "one"
	// true <nil>
	// false
	// true
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "link")
	write(t, a, "same")
	write(t, b, "same")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, path := range []string{a, b} { // equal in all but what they are
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	f := filewatch.New(time.Second, link)
	fine := func() error { return nil }
	f.Read(fine)
	if f.Changed() {
		t.Error("changed although nothing happened")
	}
	os.Remove(link)
	if !f.Changed() {
		t.Error("a file that went away is no change")
	}
	if err := os.Symlink(b, link); err != nil {
		t.Fatal(err)
	}
	if !f.Changed() {
		t.Error("a link to another file is no change")
	}
	f.Read(fine)
	if f.Changed() {
		t.Error("changed after it was read")
	}
	failed := errors.New("half written")
	if err := f.Read(func() error { return failed }); err != failed {
		t.Errorf("Read: %v", err)
	}
	if !f.Changed() {
		t.Error("a failed read is not repeated")
	}
	// What changes while it is read is read again.
	f.Read(func() error { write(t, b, "longer"); return nil })
	if !f.Changed() {
		t.Error("a change during the read is lost")
	}
}

func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := filewatch.New(time.Second)
		for i := range 3 {
			if !f.Due() {
				t.Errorf("second %d: not due", i)
			}
			time.Sleep(900 * time.Millisecond)
			if f.Due() {
				t.Errorf("second %d: due again", i)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}
