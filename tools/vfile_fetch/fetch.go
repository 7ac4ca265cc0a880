package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// errSaid is a failure of which the output says everything already.
var errSaid = errors.New("the file is damaged")

const (
	lengthBytes = 4
	keyBytes    = 8
)

// fetch prints the records of a file of size bytes from offset on, until
// count were printed, at least one, or until there is no further one.
func fetch(out io.Writer, r io.ReaderAt, size, offset, count int64) error {
	for {
		var head [lengthBytes]byte
		n, err := readUpTo(r, head[:], offset, size)
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintf(out, "File End, offset %d\n", offset)
			return nil
		}
		if n < len(head) {
			fmt.Fprintf(out, "readlen %d not qual to %d\n", n, len(head))
			return nil
		}
		length := int32(binary.LittleEndian.Uint32(head[:]))
		if length == 0 {
			fmt.Fprintf(out, "File Data End, offset %d\n", offset)
			return nil
		}
		if length < keyBytes || int64(length) > size {
			fmt.Fprintf(out, "File data len wrong, data len %d filelen %d\n", length, size)
			return errSaid
		}
		more, err := fetchBody(out, r, size, offset, length)
		if err != nil || !more {
			return err
		}
		offset += lengthBytes + int64(length)
		if count--; count <= 0 {
			return nil
		}
	}
}

// fetchBody prints the record at offset; more reports whether to go on.
func fetchBody(out io.Writer, r io.ReaderAt, size, offset int64, length int32) (more bool, err error) {
	left := max(0, size-offset-lengthBytes)
	body := make([]byte, min(int64(length), left))
	if _, err := readUpTo(r, body, offset+lengthBytes, size); err != nil {
		return false, err
	}
	if len(body) < int(length) {
		fmt.Fprintf(out, "readlen %d not qual to %d\n", len(body), length)
		return false, nil
	}
	var rec paxos.Record
	if err := wire.DecodeRecord(body[keyBytes:], &rec); err != nil {
		fmt.Fprintf(out, "This instance's buffer wrong, can't parse to acceptState, instanceid %d bufferlen %d nowoffset %d\n",
			binary.LittleEndian.Uint64(body), length-keyBytes, offset)
		return false, nil
	}
	return true, logdir.WriteState(out, &rec)
}

// readUpTo fills p, or what there is of it in a file of size bytes.
func readUpTo(r io.ReaderAt, p []byte, offset, size int64) (int, error) {
	p = p[:min(int64(len(p)), max(0, size-offset))]
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return n, nil
	}
	return n, fmt.Errorf("read %d bytes at offset %d: %w", len(p), offset, err)
}
