package logstoragetest

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Factory tells the suite how to come by the storage under test.
type Factory struct {
	// Open returns an empty storage with so many groups. What it needs is
	// cleaned up with t. It must be set.
	Open func(t *testing.T, groups int) storage.LogStorage

	// Reopen opens again what a storage of Open held; the suite has closed
	// it. nil if the storage forgets everything when it is closed.
	Reopen func(t *testing.T, closed storage.LogStorage) storage.LogStorage

	// Fail makes the next write or sync of a group fail. nil leaves the tests
	// of failures out.
	Fail func(t *testing.T, s storage.LogStorage, group int)

	// LargestBytes is the largest record to try; 0 means 10 MiB.
	LargestBytes int
}

// Run runs every test of the suite as a subtest of t.
func Run(t *testing.T, f Factory) {
	if f.LargestBytes == 0 {
		f.LargestBytes = 10 << 20
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, Factory)
	}{
		{"Empty", testEmpty},
		{"ReadBack", testReadBack},
		{"Replace", testReplace},
		{"OrderInBatch", testOrderInBatch},
		{"OrderRefused", testOrderRefused},
		{"RecordRefused", testRecordRefused},
		{"GroupRange", testGroupRange},
		{"Sizes", testSizes},
		{"ManyGroups", testManyGroups},
		{"BufferReuse", testBufferReuse},
		{"Max", testMax},
		{"Trim", testTrim},
		{"TrimKeepsWhatComesLater", testTrimKeepsWhatComesLater},
		{"Drop", testDrop},
		{"Clear", testClear},
		{"Variables", testVariables},
		{"Closed", testClosed},
		{"Reopen", testReopen},
		{"ReopenOften", testReopenOften},
		{"FailedGroup", testFailedGroup},
		{"Concurrent", testConcurrent},
		{"CloseWhileBusy", testCloseWhileBusy},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, f) })
	}
}

// Record returns a record of about size bytes (at least some 25), different
// for each seed: a serialized AcceptorStateData, as a node stores it, so that
// storages which look into their records take it. No two bytes in a row are
// zero.
func Record(instance uint64, size int, seed uint64) []byte {
	value := max(0, size-24)
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, instance)
	for field, v := range []uint64{seed%100 + 1, 7, seed%100 + 1, 7} {
		b = protowire.AppendTag(b, protowire.Number(field+2), protowire.VarintType)
		b = protowire.AppendVarint(b, v)
	}
	b = protowire.AppendTag(b, 6, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(value))
	x := seed*0x9e3779b97f4a7c15 + instance + 1
	for range value {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = append(b, byte(x)|1)
	}
	b = protowire.AppendTag(b, 7, protowire.VarintType)
	return protowire.AppendVarint(b, x&0xffffffff)
}
