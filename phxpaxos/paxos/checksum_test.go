package paxos

import (
	"bytes"
	"testing"
)

// What is remembered is used for the very same value, chain and instance, and
// for nothing else.
func TestChainIsRemembered(t *testing.T) {
	core := &Core{instance: 4, lastChecksum: 99}
	var c chain
	value := []byte("a value that is long enough for a few samples")
	sum := c.of(core, value)
	if want := ChainChecksum(4, 99, value); sum != want {
		t.Fatalf("%08x, want %08x", sum, want)
	}
	value[0] ^= 1 // nobody does that; it shows where the sum comes from
	if again := c.of(core, value); again != sum {
		t.Errorf("worked out again: %08x", again)
	}
	for _, other := range []struct {
		name  string
		core  *Core
		value []byte
	}{
		{"equal value in other memory", core, bytes.Clone(value)},
		{"shorter value", core, value[:9]},
		{"other chain", &Core{instance: 4, lastChecksum: 98}, value},
		{"other instance", &Core{instance: 0}, value},
		{"unknown chain", &Core{instance: 4}, value},
		{"no value", core, nil},
	} {
		c.of(core, value)
		if got, want := c.of(other.core, other.value), ChainChecksum(other.core.instance, other.core.lastChecksum, other.value); got != want {
			t.Errorf("%s: %08x, want %08x", other.name, got, want)
		}
	}
}
