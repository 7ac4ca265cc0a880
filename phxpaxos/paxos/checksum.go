package paxos

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"

// ChainChecksum is the checksum of an instance's packed value behind the
// chain last (spec/protocol.md section 8.5). It is 0 while the chain is
// unknown.
func ChainChecksum(instance uint64, last uint32, value []byte) uint32 {
	if instance > 0 && last == 0 || len(value) == 0 {
		return 0
	}
	return checksum.Sampled(last, value, checksum.ValueStride)
}
