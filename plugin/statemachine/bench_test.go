package statemachine_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
)

// BenchmarkExecuteBatch is one call with 50 values of 256 bytes.
func BenchmarkExecuteBatch(b *testing.B) {
	m, err := load(b.TempDir(), "memory", statemachine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	entries := make([]sm.Entry, 50)
	value := make([]byte, 256)
	var results [][]byte
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		for j := range entries {
			entries[j] = sm.Entry{Instance: i, Index: j, Last: j == len(entries)-1, Value: value}
		}
		if results, err = m.ExecuteBatch(entries, results[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
