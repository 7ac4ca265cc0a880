package vfile

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// A record that states the full history shows that its end was lost, like any
// other: power failed before a record was synced, and the rest of its last
// sector reads as zeros. (Simulator, seed 35: the hash was the last field, and
// a part of it was taken for all of it.)
func TestRecordWithHistoryShowsALostEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		rec := paxos.Record{Instance: 9, Promised: paxos.Ballot{Number: 3, Node: 7}, Accepted: paxos.Ballot{Number: 3, Node: 7},
			Value: []byte("a value"), Checksum: r.Uint32() | 1<<7, Chain: r.Uint64() >> r.IntN(65), Sum: r.Uint64() >> r.IntN(65)}
		data := wire.AppendRecord(nil, &rec)
		if !ValidState(9, data) {
			t.Fatalf("%+v is not valid", rec)
		}
		for lost := 1; lost < len(data); lost++ {
			torn := bytes.Clone(data)
			clear(torn[len(torn)-lost:])
			if !bytes.Equal(torn, data) && ValidState(9, torn) {
				t.Fatalf("%+v without its last %d bytes is valid", rec, lost)
			}
		}
	}
}
