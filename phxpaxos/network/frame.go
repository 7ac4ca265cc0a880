package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a big-endian 32-bit length, which counts itself, and a packet
// (spec/protocol.md section 5.3). A frame without a packet is an error.
const frameHeaderBytes = 4

const (
	// chunkBytesMin is what a silent connection costs; chunkBytesMax is what a
	// busy one reads at once, and what one packet that is kept can hold on to.
	chunkBytesMin = 4 << 10
	chunkBytesMax = 64 << 10
	// largeFrameBytes and more get memory of their own, unless they happen to
	// lie in the chunk whole.
	largeFrameBytes = chunkBytesMax / 4
	// trustBytesMax bounds what a connection is given ahead of its bytes because
	// it has brought as much before: enough for a batch of the default size
	// whose last value made it twice as large.
	trustBytesMax = 2<<20 + 1<<10
)

// errFrameLength is matched by the error for a length that no frame can have.
var errFrameLength = errors.New("impossible frame length")

// appendFrameHeader appends the header of a frame around a packet of n bytes.
func appendFrameHeader(b []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(n+frameHeaderBytes))
}

// frameReader cuts a stream of bytes into packets.
//
// Packets are slices of the chunk they were read into; the part of a chunk
// that was handed out is never written again. Memory grows with the bytes that
// have arrived on the connection, never with the length that a frame claims.
type frameReader struct {
	src     io.Reader
	max     int                 // bytes of the largest packet
	deliver func(packet []byte) // owns packet from then on
	claim   func(bytes int)     // told of memory taken (or, negative, given back) for a large frame
	turn    func(packets int)   // told after each read; may be nil

	chunk    []byte
	from, to int // the bytes read and not yet delivered
	need     int // the length of the frame at from, 0 if not known
	size     int // of the next chunk
	proven   int // the longest packet that got memory of its own and came whole
}

// run reads until the source ends. It returns io.EOF if that was between two
// frames, io.ErrUnexpectedEOF if within one.
func (f *frameReader) run() error {
	for {
		f.makeRoom()
		n, err := f.src.Read(f.chunk[f.to:])
		f.to += n
		if f.to == len(f.chunk) {
			f.size = min(2*len(f.chunk), chunkBytesMax)
		}
		packets, large, cutErr := f.cut()
		if f.turn != nil {
			f.turn(packets)
		}
		switch {
		case cutErr != nil:
			return cutErr
		case err == io.EOF && f.from != f.to:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if large > 0 {
			if err := f.readLarge(large); err != nil {
				return err
			}
		}
	}
}

// cut delivers the whole frames of the chunk. It returns their number, and the
// length of the frame after them if that one needs memory of its own.
func (f *frameReader) cut() (packets, large int, err error) {
	f.need = 0
	for f.to-f.from >= frameHeaderBytes {
		length := binary.BigEndian.Uint32(f.chunk[f.from:])
		if length <= frameHeaderBytes || uint64(length) > uint64(f.max)+frameHeaderBytes {
			return packets, 0, fmt.Errorf("%w: %d, must be in %d..%d", errFrameLength,
				length, frameHeaderBytes+1, f.max+frameHeaderBytes)
		}
		n := int(length)
		if f.to-f.from < n {
			if n >= largeFrameBytes {
				return packets, n, nil
			}
			f.need = n
			return packets, 0, nil
		}
		end := f.from + n
		f.deliver(f.chunk[f.from+frameHeaderBytes : end : end])
		f.from = end
		packets++
	}
	return packets, 0, nil
}

// makeRoom makes sure that the frame at from fits into the chunk, and that the
// next read is not a tiny one.
func (f *frameReader) makeRoom() {
	have := f.to - f.from
	if f.chunk != nil && f.from+f.need <= len(f.chunk) && len(f.chunk)-f.to >= len(f.chunk)/8 {
		return
	}
	f.size = max(f.size, chunkBytesMin)
	// What is left of an incomplete frame is shorter than largeFrameBytes.
	chunk := make([]byte, max(f.size, roundUp(f.need)))
	copy(chunk, f.chunk[f.from:f.to])
	f.chunk, f.from, f.to = chunk, 0, have
}

func roundUp(n int) int {
	return (n + chunkBytesMin - 1) &^ (chunkBytesMin - 1)
}

// readLarge reads the rest of the frame of the given length, of which the
// chunk holds the beginning. The buffer grows fourfold whenever it is full. On
// a connection that brings one large packet after the other it is right at once.
func (f *frameReader) readLarge(length int) error {
	total := length - frameHeaderBytes
	have := f.chunk[f.from+frameHeaderBytes : f.to]
	claimed := min(total, max(largeFrameBytes, 4*len(have), min(f.proven, trustBytesMax)))
	f.claim(claimed)
	defer func() { f.claim(-claimed) }()

	packet := make([]byte, claimed)
	got := copy(packet, have)
	f.to = f.from // these bytes were never handed out: the chunk can take others
	for got < total {
		if got == len(packet) {
			size := min(total, 4*len(packet))
			f.claim(size - claimed)
			claimed = size
			packet = append(make([]byte, 0, size), packet...)[:size]
		}
		n, err := f.src.Read(packet[got:])
		got += n
		if got == total {
			break // an error will come back with the next read
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	f.proven = max(f.proven, total)
	f.deliver(packet)
	if f.turn != nil {
		f.turn(1)
	}
	return nil
}
