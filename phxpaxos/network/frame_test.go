package network

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// What an original node sent over TCP: AskForLearn of instance 0 by
// 127.0.0.1:21111 (spec/protocol.md, end of section 20).
const (
	goldenLength = "00000024"
	goldenPacket = "00000000080008001000180120010805100018f7a48180f08f808001a2e62273"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frames puts each packet into a frame, the simplest way.
func frames(packets ...[]byte) []byte {
	var b []byte
	for _, p := range packets {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)+4))
		b = append(b, p...)
	}
	return b
}

// randomPackets returns packets of the given sizes with reproducible contents.
func randomPackets(sizes ...int) [][]byte {
	r := rand.NewChaCha8([32]byte{byte(len(sizes))})
	var packets [][]byte
	for _, n := range sizes {
		p := make([]byte, n)
		r.Read(p)
		packets = append(packets, p)
	}
	return packets
}

type readResult struct {
	packets [][]byte
	err     error
	peak    int // most memory claimed at once
	held    int // claimed at the end
}

func readFrames(src io.Reader, maxBytes int) readResult {
	var res readResult
	f := frameReader{
		src:     src,
		max:     maxBytes,
		deliver: func(p []byte) { res.packets = append(res.packets, p) },
		claim: func(n int) {
			res.held += n
			res.peak = max(res.peak, res.held)
		},
	}
	res.err = f.run()
	return res
}

func checkPackets(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d of %d bytes differs", i, len(want[i]))
		}
	}
}

func TestFrameReaderGolden(t *testing.T) {
	res := readFrames(bytes.NewReader(unhex(t, goldenLength+goldenPacket)), 10485760)
	if res.err != io.EOF {
		t.Errorf("error %v, want EOF", res.err)
	}
	checkPackets(t, res.packets, [][]byte{unhex(t, goldenPacket)})
}

// However the stream is cut up, the packets are the same, and those delivered
// early are not overwritten by what comes later.
func TestFrameReaderSplits(t *testing.T) {
	var sizes []int
	for i := range 400 {
		sizes = append(sizes, 1+i*i%700)
	}
	sizes = append(sizes, largeFrameBytes-5, largeFrameBytes-4, largeFrameBytes-3, chunkBytesMax-4, chunkBytesMax, 1, 300000, 2)
	want := randomPackets(sizes...)
	stream := frames(want...)
	for name, src := range map[string]io.Reader{
		"whole":     bytes.NewReader(stream),
		"byte":      iotest.OneByteReader(bytes.NewReader(stream)),
		"half":      iotest.HalfReader(bytes.NewReader(stream)),
		"with EOF":  iotest.DataErrReader(bytes.NewReader(stream)),
		"1448":      &stepReader{bytes.NewReader(stream), 1448},
		"65536 + 1": &stepReader{bytes.NewReader(stream), 65537},
	} {
		t.Run(name, func(t *testing.T) {
			res := readFrames(src, 300000)
			if res.err != io.EOF {
				t.Errorf("error %v, want EOF", res.err)
			}
			checkPackets(t, res.packets, want)
			for _, p := range res.packets {
				if cap(p) != len(p) {
					t.Fatalf("a packet of %d bytes can be appended to in place, over its neighbour", len(p))
				}
			}
			if res.held != 0 {
				t.Errorf("%d bytes stay claimed", res.held)
			}
		})
	}
}

type stepReader struct {
	r    io.Reader
	step int
}

func (s *stepReader) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), s.step)]) }

func TestFrameReaderBadLengths(t *testing.T) {
	good := frames([]byte("good"))
	for _, length := range []uint32{0, 1, 3, 4, 1005, 10485765, 1 << 31, 1<<32 - 1} {
		stream := binary.BigEndian.AppendUint32(bytes.Clone(good), length)
		res := readFrames(bytes.NewReader(append(stream, make([]byte, 100)...)), 1000)
		if !errors.Is(res.err, errFrameLength) {
			t.Errorf("length %d: error %v, want errFrameLength", length, res.err)
		}
		checkPackets(t, res.packets, [][]byte{[]byte("good")})
	}
	want := randomPackets(1000)
	res := readFrames(bytes.NewReader(frames(want...)), 1000)
	checkPackets(t, res.packets, want)
}

func TestFrameReaderTorn(t *testing.T) {
	stream := frames(randomPackets(10, 50000)...)
	for _, n := range []int{1, 3, 4, 13, 15, 18, 19, 1000, 30000, len(stream) - 1} {
		res := readFrames(bytes.NewReader(stream[:n]), 50000)
		if res.err != io.ErrUnexpectedEOF {
			t.Errorf("stream ends at %d: error %v, want ErrUnexpectedEOF", n, res.err)
		}
		if res.held != 0 {
			t.Errorf("stream ends at %d: %d bytes stay claimed", n, res.held)
		}
	}
}

// A length is only a claim: memory follows the bytes.
func TestFrameReaderLyingLength(t *testing.T) {
	for _, sent := range []int{0, 100, 20000, 1000000} {
		stream := append(binary.BigEndian.AppendUint32(nil, 10485764), make([]byte, sent)...)
		res := readFrames(bytes.NewReader(stream), 10485760)
		if limit := max(largeFrameBytes, 4*sent); res.peak > limit {
			t.Errorf("after %d bytes %d are claimed, want at most %d", sent, res.peak, limit)
		}
	}
}

// FuzzFrameReader compares the reader with the obvious one.
func FuzzFrameReader(f *testing.F) {
	golden, _ := hex.DecodeString(goldenLength + goldenPacket)
	f.Add(golden, uint16(7))
	f.Add(append(golden, golden...), uint16(1000))
	f.Add([]byte{0, 0, 0, 4}, uint16(1))
	f.Add([]byte{255, 255, 255, 255, 1}, uint16(0))
	f.Add(frames(make([]byte, 17000), []byte{1}), uint16(5000))
	f.Fuzz(func(t *testing.T, stream []byte, step uint16) {
		const limit = 20000
		var want [][]byte
		rest, wantErr := stream, error(nil)
		for wantErr == nil {
			switch n := uint32(0); {
			case len(rest) == 0:
				wantErr = io.EOF
			case len(rest) < 4:
				wantErr = io.ErrUnexpectedEOF
			default:
				n = binary.BigEndian.Uint32(rest)
				if n < 5 || n > limit+4 {
					wantErr = errFrameLength
				} else if uint32(len(rest)) < n {
					wantErr = io.ErrUnexpectedEOF
				} else {
					want, rest = append(want, rest[4:n]), rest[n:]
				}
			}
		}
		res := readFrames(&stepReader{bytes.NewReader(stream), int(step) + 1}, limit)
		if !errors.Is(res.err, wantErr) {
			t.Fatalf("error %v, want %v", res.err, wantErr)
		}
		checkPackets(t, res.packets, want)
		if res.held != 0 || res.peak > max(largeFrameBytes, 4*len(stream)) {
			t.Fatalf("claimed %d at most and %d at the end for %d bytes", res.peak, res.held, len(stream))
		}
	})
}
