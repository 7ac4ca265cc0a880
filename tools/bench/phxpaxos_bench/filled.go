package main

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// fillBatch is how many records are written at once into a log that is filled;
// fillSync is how many before they are synced, so that the page cache holds
// little of them when the measurement begins.
const (
	fillBatch = 1000
	fillSync  = 1000 * fillBatch
)

// fill gives every group of a new log some instances, as if the first node had
// proposed them and all nodes had decided them, and as a node writes them.
func fill(store storage.LogStorage, groups, instances int, nodes []nodeid.ID, valueBytes int) error {
	ballot := paxos.Ballot{Number: 1, Node: nodes[0]}
	value := wire.AppendValue(nil, machineID, make([]byte, valueBytes))
	puts := make([]storage.Put, 0, fillBatch)
	for g := range groups {
		chain := uint32(0)
		for i := range uint64(instances) {
			chain = paxos.ChainChecksum(i, chain, value)
			r := paxos.Record{Instance: i, Promised: ballot, Accepted: ballot, Value: value, Checksum: chain}
			last := i+1 == uint64(instances)
			puts = append(puts, storage.Put{Group: g, Instance: i, Data: wire.AppendRecord(nil, &r), Sync: last || (i+1)%fillSync == 0})
			if len(puts) < fillBatch && !last {
				continue
			}
			if err := store.Write(puts); err != nil {
				return fmt.Errorf("filling the log of group %d: %w", g, err)
			}
			puts = puts[:0]
		}
	}
	return nil
}
