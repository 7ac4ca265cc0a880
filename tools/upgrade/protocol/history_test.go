package protocol

import (
	"bytes"
	"errors"
	"testing"
)

func TestValuesSayWhetherTheyAreWhole(t *testing.T) {
	huge := 0
	for seq := range uint32(2000) {
		k := Key{Node: 2, Client: 5, Life: 3, Seq: seq}
		b := k.Value()
		if got, ok := ParseValue(b); got != k || !ok {
			t.Fatalf("%+v is read as %+v, whole %v", k, got, ok)
		}
		if len(b) >= hugeMin {
			huge++
		}
		if len(b) > keyBytes {
			b[len(b)-1] ^= 1
			if _, ok := ParseValue(b); ok {
				t.Fatalf("%+v: a flipped bit is not noticed", k)
			}
		}
	}
	if huge == 0 {
		t.Error("no value is large enough to be sent before its turn")
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add(Key{Node: 1, Seq: 2}.Value())
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, ok := ParseValue(b); ok && !bytes.Equal(k.Value(), b) {
			t.Errorf("%x is called whole", b)
		}
	})
}

func FuzzParseHistory(f *testing.F) {
	f.Add(Executed{1, 2, Key{3, 4, 5, 6}}.Append(nil))
	f.Add(make([]byte, EntryBytes+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ParseHistory(b)
		if err != nil {
			if !errors.Is(err, ErrHistory) {
				t.Errorf("error %v does not match ErrHistory", err)
			}
			return
		}
		var again []byte
		for _, e := range all {
			again = e.Append(again)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x is written again as %x", b, again)
		}
	})
}
