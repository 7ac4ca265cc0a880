package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func TestDigest(t *testing.T) {
	for _, want := range []Digest{
		{Groups: 1, Instances: []uint64{0}},
		{Groups: 3, First: 1, Instances: []uint64{1<<64 - 1, 7}},
		{Groups: 100000, First: 99999, Instances: []uint64{300}},
		{Groups: 5, First: 5, Instances: []uint64{}},
	} {
		got := Digest{Instances: []uint64{9, 9, 9}}
		if err := DecodeDigest(AppendDigest(nil, &want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	for name, data := range map[string][]byte{
		"empty":        nil,
		"cut":          {3},
		"cut number":   {3, 0, 0x80},
		"begins late":  {3, 4},
		"too many":     {2, 1, 5, 5},
		"many groups":  {0xff, 0xff, 0xff, 0x7f, 0},
		"long varints": bytes.Repeat([]byte{0xff}, 20),
	} {
		if err := DecodeDigest(data, &Digest{}); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDigest: what decodes means the same when it is encoded again.
func FuzzDigest(f *testing.F) {
	f.Add([]byte{3, 1, 7, 0xff, 0x7f})
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var d, again Digest
		if err := DecodeDigest(data, &d); err != nil {
			if !errors.Is(err, ErrBody) {
				t.Fatal(err)
			}
			return
		}
		if err := DecodeDigest(AppendDigest(nil, &d), &again); err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("%+v became %+v, %v", d, again, err)
		}
	})
}
