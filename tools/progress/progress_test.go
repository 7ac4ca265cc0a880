package progress

import (
	"bytes"
	"testing"
	"time"
)

func TestPrinter(t *testing.T) {
	for name, c := range map[string]struct {
		bar  bool
		want string
	}{
		"lines": {false, "[   0.0s] begins\n[   5.0s] half\n[   5.0s] done\n"},
		"bar": {true, "[   0.0s] begins\n" +
			"\r\x1b[K[######........................]  20 %, a fifth" +
			"\r\x1b[K[###############...............]  50 %, half" +
			"\r\x1b[K[   5.0s] done\n"},
	} {
		var out bytes.Buffer
		now := time.Unix(1000, 0)
		p := newPrinter(&out, c.bar, 5*time.Second, func() time.Time { return now })
		p.Say("begins")
		p.At(0.1, "too soon")
		if p.Due() {
			t.Errorf("%s: something is due at once", name)
		}
		now = now.Add(barEvery)
		p.At(0.2, "a fifth")
		now = now.Add(5*time.Second - barEvery)
		p.At(0.5, "half")
		p.At(0.6, "too soon")
		p.Say("done")
		p.End()
		if got := out.String(); got != c.want {
			t.Errorf("%s: printed %q, want %q", name, got, c.want)
		}
	}
}

// What is out of range is shown as an end of it, and nobody has to look.
func TestOutOfRange(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	p := newPrinter(&out, true, time.Second, func() time.Time { return now })
	for _, part := range []float64{-1, 2} {
		now = now.Add(time.Second)
		p.At(part, "x")
	}
	p.End()
	p.End()
	want := "\r\x1b[K[..............................]   0 %, x\r\x1b[K[##############################] 100 %, x\r\x1b[K"
	if got := out.String(); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	var none *Printer
	none.At(1, "x")
	none.Say("x")
	none.End()
	if New(&out, time.Second).bar {
		t.Error("a buffer is a terminal")
	}
}
