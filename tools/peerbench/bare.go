package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

// bare is no system to use but what all of them have to do at least, for one
// caller: bytes go to two processes, all three write them over zeros and sync,
// and the caller goes on when its own and one other are on disk. No ballots,
// no order, no retries; each value has one goroutine on its way at the leader,
// two for the answers, and one where it arrives.
type bare struct {
	listener net.Listener
	log      bareLog
	peers    []net.Conn
	acks     chan uint64
	frame    []byte

	mu    sync.Mutex
	conns []net.Conn // of a follower
}

// bareLog is a file that is written over and over.
type bareLog struct {
	file storage.File
	at   int64
}

const bareLogBytes = 16 << 20

func openBareLog(dir string) (l bareLog, err error) {
	fs := osfs.FS{}
	if err := fs.MkdirAll(dir); err != nil {
		return l, err
	}
	if l.file, err = fs.Open(filepath.Join(dir, "log"), storage.ReadWrite|storage.Create); err != nil {
		return l, err
	}
	if _, err = l.file.WriteAt(make([]byte, bareLogBytes), 0); err == nil {
		err = l.file.Sync()
	}
	return l, err
}

func (l *bareLog) append(p []byte) error {
	if l.at+int64(len(p)) > bareLogBytes {
		l.at = 0
	}
	_, err := l.file.WriteAt(p, l.at)
	l.at += int64(len(p))
	if err == nil {
		err = l.file.SyncData()
	}
	return err
}

func startBare(s setup) (node, error) {
	log, err := openBareLog(s.Dir)
	if err != nil {
		return nil, err
	}
	b := &bare{log: log, acks: make(chan uint64, 2)}
	if b.listener, err = net.Listen("tcp", s.Addrs[s.Me]); err != nil {
		return nil, err
	}
	if s.Me > 0 {
		go b.follow()
		return b, nil
	}
	for _, addr := range s.Addrs[1:] {
		err := poll("connection to "+addr, func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				b.peers = append(b.peers, c)
			}
			return err == nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, c := range b.peers {
		go b.answers(c)
	}
	return b, nil
}

// answers reads the number of the last value that a follower has on disk.
func (b *bare) answers(c net.Conn) {
	var n [8]byte
	for {
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return
		}
		b.acks <- binary.LittleEndian.Uint64(n[:])
	}
}

// follow serves the leader: each frame is a number, a length and a value.
func (b *bare) follow() {
	c, err := b.listener.Accept()
	if err != nil {
		return
	}
	b.mu.Lock()
	b.conns = append(b.conns, c)
	b.mu.Unlock()
	buf := make([]byte, 4<<20+12)
	for have := 0; ; {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		for have >= 12 {
			size := 12 + int(binary.LittleEndian.Uint32(buf[8:]))
			if have < size {
				break
			}
			if b.log.append(buf[:size]) != nil {
				return
			}
			if _, err := c.Write(buf[:8]); err != nil {
				return
			}
			have = copy(buf, buf[size:have])
		}
	}
}

// propose is called by one caller only, see system.single.
func (b *bare) propose(_ int, value []byte) error {
	number := uint64(0)
	if len(b.frame) > 0 {
		number = binary.LittleEndian.Uint64(b.frame) + 1
	}
	b.frame = binary.LittleEndian.AppendUint64(b.frame[:0], number)
	b.frame = binary.LittleEndian.AppendUint32(b.frame, uint32(len(value)))
	b.frame = append(b.frame, value...)
	for _, c := range b.peers {
		if _, err := c.Write(b.frame); err != nil {
			return err
		}
	}
	if err := b.log.append(b.frame); err != nil {
		return err
	}
	for n := range b.acks {
		if n >= number {
			return nil
		}
	}
	return errors.New("bare: stopped")
}

func (b *bare) lead() error { return nil }

func (b *bare) close() {
	b.listener.Close()
	for _, c := range b.peers {
		c.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.log.file.Close()
}
