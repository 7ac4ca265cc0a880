package logger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A full file leads to the next one, and the link with it.
func TestNextFile(t *testing.T) {
	dir := t.TempDir()
	f := &files{dir: dir, module: "m", bytesMax: 2000}
	for range 100 {
		if err := f.write(warning, time.Now(), 0, []byte(strings.Repeat("x", 50))); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "m.*.log.INFO.*"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	count, followed := 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 2000+500 {
			t.Errorf("a file of %d bytes", len(text))
		}
		count += strings.Count(string(text), strings.Repeat("x", 50)+"\n")
		if _, rest, found := strings.Cut(string(text), "Next log: "); found {
			next, _, _ := strings.Cut(rest, "\n")
			if _, err := os.Stat(next); err != nil {
				t.Errorf("the next file: %v", err)
			}
			followed++
		}
	}
	if count != 100 || followed != len(names)-1 {
		t.Errorf("%d lines, %d of %d files name the next one", count, followed, len(names))
	}
	if text, err := os.ReadFile(filepath.Join(dir, "m.INFO")); err != nil || strings.Contains(string(text), "Next log") {
		t.Errorf("the link does not lead to the newest file: %v", err)
	}
}

// A disk that takes nothing costs lines, not memory and not the process; when
// there is room again, it goes on.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	f := &files{dir: t.TempDir(), module: "m", bytesMax: fileBytesMax}
	defer f.close()
	if err := f.write(info, time.Now(), 0, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := f.flush(); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	real := f.file[info].File
	f.mu.Lock()
	f.file[info].File = full
	f.mu.Unlock()
	failed := 0
	for range 5000 {
		if err := f.write(info, time.Now(), 0, []byte(strings.Repeat("x", 100))); err != nil {
			failed++
		}
		f.mu.Lock()
		if n := len(f.file[info].held); n > 2*heldBytesMax {
			t.Fatalf("%d bytes wait", n)
		}
		f.mu.Unlock()
	}
	if failed == 0 {
		t.Error("nobody was told")
	}
	f.mu.Lock()
	f.file[info].File = real
	f.mu.Unlock()
	if err := errors.Join(full.Close(), f.write(info, time.Now(), 0, []byte("last")), f.flush()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "m.INFO"))
	if err != nil || !strings.Contains(string(text), "] first\n") || !strings.HasSuffix(string(text), "] last\n") {
		t.Errorf("the file: %v", err)
	}
}
