package statemachine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// socket is where the child takes Execute in frames: a connection of its own
// for each group that the host has something for.
type socket struct {
	server   *server
	listener net.Listener

	mu      sync.Mutex
	ends    bool
	open    map[net.Conn]bool
	running sync.WaitGroup
}

// listen opens the socket beside that of gRPC, in the directory that the host
// made for this life and removes behind it.
func (s *server) listen() (*socket, error) {
	dir := os.Getenv(goplugin.EnvUnixSocketDir)
	if dir == "" {
		return nil, fmt.Errorf("statemachine: the host has not said in %s where to listen", goplugin.EnvUnixSocketDir)
	}
	path := filepath.Join(dir, "execute")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("statemachine: listen for the host: %w", err)
	}
	s.socket = path
	return &socket{server: s, listener: l, open: map[net.Conn]bool{}}, nil
}

// accept serves until stop.
func (s *socket) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.begin(conn) {
			go s.serve(conn)
		}
	}
}

func (s *socket) begin(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends {
		conn.Close()
		return false
	}
	s.open[conn] = true
	s.running.Add(1)
	return true
}

// serve answers one request after the other. What the host must not send ends
// the connection, which the host takes for the end of this process. Nothing is
// deferred: a panic must reach the log before the host sees that end and kills.
func (s *socket) serve(conn net.Conn) {
	err := s.server.converse(newFrames(conn))
	if err != nil && !s.stopping() {
		NewLogger(slog.LevelError).Error("connection of the host is closed", "err", err)
	}
	s.end(conn)
	s.running.Done()
}

func (s *socket) end(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	conn.Close()
}

func (s *socket) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

// stop ends all connections, and waits for the state machine to finish what it
// executes.
func (s *socket) stop() {
	s.listener.Close()
	s.mu.Lock()
	s.ends = true
	for conn := range s.open {
		conn.SetReadDeadline(time.Unix(1, 0)) // no further request; the answer may still go
	}
	s.mu.Unlock()
	s.running.Wait()
}

// converse answers requests until the connection ends.
func (s *server) converse(f *frames) error {
	for {
		r := &pb.ExecuteRequest{} // the state machine may keep the values
		if err := f.receive(r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		response, err := s.execute(r)
		if err != nil {
			return err
		}
		if err := f.send(response); err != nil {
			return err
		}
	}
}
