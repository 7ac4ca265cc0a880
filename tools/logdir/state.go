package logdir

import (
	"fmt"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// WriteState prints a record as the original's tools do, to the letter
// (spec/storage-api.md section 10.1).
func WriteState(w io.Writer, r *paxos.Record) error {
	_, err := fmt.Fprintf(w, `------------------------------------------------------
instanceid %d
promiseid %d
promisenodid %d
acceptedid %d
acceptednodeid %d
acceptedvaluesize %d
checksum %d
`, r.Instance, r.Promised.Number, uint64(r.Promised.Node), r.Accepted.Number, uint64(r.Accepted.Node), len(r.Value), r.Checksum)
	return err
}
