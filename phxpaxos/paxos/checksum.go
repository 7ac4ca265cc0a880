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

// chain remembers the last checksum: what is voted for is mostly what is
// chosen, and a large value takes its time.
type chain struct {
	instance uint64
	last     uint32
	value    []byte // the very one; nobody modifies a value
	sum      uint32
}

// of returns ChainChecksum of value at the current instance.
func (c *chain) of(core *Core, value []byte) uint32 {
	if len(value) == 0 || len(value) != len(c.value) || &value[0] != &c.value[0] || c.instance != core.instance || c.last != core.lastChecksum {
		*c = chain{core.instance, core.lastChecksum, value, ChainChecksum(core.instance, core.lastChecksum, value)}
	}
	return c.sum
}
