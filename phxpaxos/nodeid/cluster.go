package nodeid

import (
	"encoding/hex"
	"fmt"
)

// Cluster is the identity of a cluster: 128 random bits, chosen once through
// its log, stored in every directory and stated in packets. Two clusters never
// share one. It tells clusters apart when one takes over an address of another
// by mistake; it is no secret and no protection against an attacker. The zero
// Cluster is none.
type Cluster [16]byte

// IsZero reports whether c is no identity.
func (c Cluster) IsZero() bool { return c == Cluster{} }

// String returns 32 hexadecimal digits, or "none".
func (c Cluster) String() string {
	if c.IsZero() {
		return "none"
	}
	return hex.EncodeToString(c[:])
}

// ParseCluster reads what String returns for an identity: 32 hexadecimal
// digits that are not all zero. The error names the rule.
func ParseCluster(s string) (Cluster, error) {
	var c Cluster
	b, err := hex.DecodeString(s)
	if copy(c[:], b); err != nil || len(b) != len(c) || c.IsZero() {
		return Cluster{}, fmt.Errorf("cluster identity %q is not %d hexadecimal digits, not all 0", s, 2*len(c))
	}
	return c, nil
}
