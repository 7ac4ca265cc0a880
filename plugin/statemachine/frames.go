package statemachine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/protobuf/proto"
)

const (
	frameHeader = 4        // bytes: the length of what follows, least significant byte first
	frameBuffer = 64 << 10 // what fits into it comes with one system call
	frameKept   = 1 << 20  // larger memory is not kept for the next frame
)

// frames sends and receives messages on a connection, each behind its length.
// One goroutine sends at a time, and one receives. For what passes between two
// processes that take turns, system calls and woken threads are all that counts;
// here they are one write and one read for each message, by the goroutine that
// has it or waits for it.
type frames struct {
	conn net.Conn
	in   *bufio.Reader
	long bytes.Buffer // a frame that the reader's buffer cannot hold
	out  []byte
}

func newFrames(conn net.Conn) *frames {
	return &frames{conn: conn, in: bufio.NewReaderSize(conn, frameBuffer)}
}

// send writes a message.
func (f *frames) send(m proto.Message) error {
	out, err := proto.MarshalOptions{}.MarshalAppend(append(f.out[:0], make([]byte, frameHeader)...), m)
	if err != nil {
		return err
	}
	n := len(out) - frameHeader
	if n > messageBytesMax {
		return fmt.Errorf("message of %d bytes, must be at most %d", n, messageBytesMax)
	}
	binary.LittleEndian.PutUint32(out, uint32(n))
	if f.out = out; cap(out) > frameKept {
		f.out = nil
	}
	_, err = f.conn.Write(out)
	return err
}

// receive reads a message. At the end of the connection the error is io.EOF.
func (f *frames) receive(m proto.Message) error {
	header, err := f.in.Peek(frameHeader)
	if err != nil {
		if len(header) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	n := int(binary.LittleEndian.Uint32(header))
	if n > messageBytesMax {
		return fmt.Errorf("message of %d bytes, must be at most %d", n, messageBytesMax)
	}
	f.in.Discard(frameHeader) // it is there
	data, err := f.body(n)
	if err != nil {
		return err
	}
	err = proto.Unmarshal(data, m) // which copies
	if f.long.Cap() > frameKept {
		f.long = bytes.Buffer{}
	}
	return err
}

// body reads n bytes, which are valid until the next call. The memory for them
// grows as they come: a length may be a lie.
func (f *frames) body(n int) (data []byte, err error) {
	if n <= f.in.Size() {
		data, err = f.in.Peek(n)
		f.in.Discard(len(data))
	} else {
		f.long.Reset()
		_, err = io.CopyN(&f.long, f.in, int64(n))
		data = f.long.Bytes()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}
