package phxkv

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// Groups is how many groups a cluster has. It is part of what the cluster
// stores: with another number keys would be looked for in other groups.
const Groups = 3

// GroupOf is the group of a key. It is the original's hash, in which bytes
// count as signed numbers.
func GroupOf(key string) int {
	var h uint32
	for i := range len(key) {
		h = h*7 + uint32(int32(int8(key[i])))
	}
	return int(h % Groups)
}

// portOffset is what the original adds to a node's paxos port to find its
// gRPC port. Servers have to be started that way for redirects to work.
const portOffset = 10000

// GRPCAddress is where the server of a node listens. The error says that the
// rule leads to no port.
func GRPCAddress(node nodeid.ID) (netip.AddrPort, error) {
	addr := node.AddrPort()
	if addr.Port() > math.MaxUint16-portOffset {
		return netip.AddrPort{}, fmt.Errorf("node %v: its gRPC port would be %d, use a paxos port up to %d",
			node, int(addr.Port())+portOffset, math.MaxUint16-portOffset)
	}
	return netip.AddrPortFrom(addr.Addr(), addr.Port()+portOffset), nil
}

// The original's codes in KVResponse.ret.
const (
	CodeOK              = 0
	CodeFail            = -1
	CodeNotExist        = 1
	CodeVersionConflict = -11
	CodeVersionNotExist = -12 // the client alone: the value found is older than asked for
	CodeMasterRedirect  = 10
	CodeNoMaster        = 101 // the client alone
)

// Operators of KVOperator.
const (
	operatorRead   = 1
	operatorWrite  = 2
	operatorDelete = 3
)

// Data is what a key holds.
type Data = kvpb.KVData
