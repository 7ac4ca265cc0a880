package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Digest says where the groups of a node are: the value of a paxos.Digest.
type Digest struct {
	Groups    int      // how many the node has
	First     int      // index of the first one that is stated here
	Instances []uint64 // their current instances
}

// digestGroupsMax is the most groups that a node can have; a digest that
// claims more is damaged.
const digestGroupsMax = 1 << 20

// AppendDigest appends d as numbers: Groups, First, and the instances.
func AppendDigest(dst []byte, d *Digest) []byte {
	dst = protowire.AppendVarint(dst, uint64(d.Groups))
	dst = protowire.AppendVarint(dst, uint64(d.First))
	for _, i := range d.Instances {
		dst = protowire.AppendVarint(dst, i)
	}
	return dst
}

// DecodeDigest decodes data into d, all of it, and reuses the memory of
// d.Instances. Errors match ErrBody; d is then undefined.
func DecodeDigest(data []byte, d *Digest) error {
	number := func() (uint64, error) {
		v, n := protowire.ConsumeVarint(data)
		if n < 0 {
			return 0, fmt.Errorf("%w: digest: %w", ErrBody, protowire.ParseError(n))
		}
		data = data[n:]
		return v, nil
	}
	groups, err := number()
	if err != nil {
		return err
	}
	first, err := number()
	if err != nil {
		return err
	}
	if groups > digestGroupsMax || first > groups {
		return fmt.Errorf("%w: digest of %d groups begins at group %d", ErrBody, groups, first)
	}
	d.Groups, d.First, d.Instances = int(groups), int(first), d.Instances[:0]
	for len(data) > 0 {
		i, err := number()
		if err != nil {
			return err
		}
		if d.Instances = append(d.Instances, i); len(d.Instances) > d.Groups-d.First {
			return fmt.Errorf("%w: digest of %d groups says more of group %d", ErrBody, groups, d.Groups)
		}
	}
	return nil
}
