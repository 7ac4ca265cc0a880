package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// links carries raft messages over one connection to each peer; what waits
// for a peer goes in one write.
type links struct {
	listener net.Listener
	peers    map[uint64]*outgoing
}

type outgoing struct {
	addr  string
	mu    sync.Mutex
	queue []raftpb.Message
	wake  chan struct{}
	done  chan struct{}
	once  sync.Once
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func listen(addrs []string, me int, receive func(raftpb.Message)) (*links, error) {
	l, err := net.Listen("tcp", addrs[me])
	if err != nil {
		return nil, err
	}
	all := &links{listener: l, peers: map[uint64]*outgoing{}}
	for i, a := range addrs {
		if i == me {
			continue
		}
		o := &outgoing{addr: a, wake: make(chan struct{}, 1), done: make(chan struct{})}
		all.peers[uint64(i+1)] = o
		go o.run()
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go read(c, receive)
		}
	}()
	return all, nil
}

func read(c net.Conn, receive func(raftpb.Message)) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 256<<10)
	var head [4]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		data := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		var m raftpb.Message
		if err := m.Unmarshal(data); err != nil {
			return
		}
		receive(m)
	}
}

func (l *links) send(messages []raftpb.Message) {
	for _, m := range messages {
		if o := l.peers[m.To]; o != nil {
			o.mu.Lock()
			o.queue = append(o.queue, m)
			o.mu.Unlock()
			select {
			case o.wake <- struct{}{}:
			default:
			}
		}
	}
}

func (o *outgoing) run() {
	var c net.Conn
	var buf []byte
	for {
		select {
		case <-o.wake:
		case <-o.done:
			if c != nil {
				c.Close()
			}
			return
		}
		o.mu.Lock()
		queue := o.queue
		o.queue = nil
		o.mu.Unlock()
		if c == nil {
			var err error
			if c, err = net.DialTimeout("tcp", o.addr, time.Second); err != nil {
				c = nil
				time.Sleep(10 * time.Millisecond)
				continue // raft sends again
			}
		}
		buf = buf[:0]
		for i := range queue {
			size := queue[i].Size()
			buf = binary.BigEndian.AppendUint32(buf, uint32(size))
			at := len(buf)
			buf = append(buf, make([]byte, size)...)
			if _, err := queue[i].MarshalTo(buf[at:]); err != nil {
				panic(err)
			}
		}
		if _, err := c.Write(buf); err != nil {
			c.Close()
			c = nil
		}
	}
}

func (l *links) close() {
	l.listener.Close()
	for _, o := range l.peers {
		o.once.Do(func() { close(o.done) })
	}
}
