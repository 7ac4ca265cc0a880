package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

const (
	size = 3
	// lease is short, so that nobody waits long for a master that was killed.
	lease = 2 * time.Second
	key   = "key_hello"
)

// stage is the cluster that is shown.
type stage struct {
	ctx     context.Context
	dir     string
	bin     string
	ids     []nodeid.ID
	grpc    []string // addresses of the servers
	servers [size]*process.Process
	release func() // gives the ports back
}

func newStage(ctx context.Context, dir, bin string) (*stage, error) {
	const redirectRule = 10000 // the gRPC port is so much above the paxos port
	ids, release, err := freeaddr.Hold(size, redirectRule)
	if err != nil {
		return nil, err
	}
	s := &stage{ctx: ctx, dir: dir, bin: bin, ids: ids, release: release}
	for _, id := range ids {
		address, err := phxkv.GRPCAddress(id)
		if err != nil {
			s.clear()
			return nil, err
		}
		s.grpc = append(s.grpc, address.String())
	}
	return s, nil
}

// clear ends whatever runs; none of it comes back.
func (s *stage) clear() {
	for _, p := range s.servers {
		if p != nil {
			p.Kill()
		}
	}
	s.release()
}

// play shows everything.
func (s *stage) play() error {
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.walk(); err != nil {
		return err
	}
	master, err := s.master()
	if err != nil {
		return err
	}
	if err := s.killed(master); err != nil {
		return err
	}
	if err := s.back(master); err != nil {
		return err
	}
	return s.end()
}

func (s *stage) begin() error {
	step("starting three servers; any two of them are a majority")
	for i := range size {
		if err := s.start(i); err != nil {
			return err
		}
	}
	_, err := s.until("a master", 0, func(out string) bool { return !strings.Contains(out, "no master") }, "getglobal", key)
	return err
}

func (s *stage) start(i int) error {
	args := []string{"-lease", lease.String(), "-log_dir", filepath.Join(s.dir, fmt.Sprintf("log_%d", i)),
		s.grpc[i], s.ids[i].String(), nodeaddr.List(s.ids),
		filepath.Join(s.dir, fmt.Sprintf("kvdb_%d", i)), filepath.Join(s.dir, fmt.Sprintf("paxoslog_%d", i))}
	note("server %d: %s at %s", i+1, server, s.grpc[i])
	want := "Server listening on " + s.grpc[i] + "\n"
	p, err := process.StartServer(s.ctx, func(out string) bool { return out == want }, s.dir, filepath.Join(s.bin, server), args...)
	s.servers[i] = p
	return err
}

// walk is the original's sample: the same commands at each address.
func (s *stage) walk() error {
	for i := range size {
		title := fmt.Sprintf("server %d: only the first put finds version 0; whoever asks the wrong server is sent on to the master", i+1)
		put := "Put version conflict, key key_hello value value_paxos version 0\n"
		if i == 0 {
			title, put = "server 1: a write and reads; a delete that names an old version is refused", "Put ok, key key_hello value value_paxos version 0\n"
		}
		step("%s", title)
		for _, do := range []struct {
			want string
			args []string
		}{
			{put, []string{"put", key, "value_paxos", "0"}},
			{"GetLocal ok, key key_hello value value_paxos version 1\n", []string{"getlocal", key}},
			{"GetGlobal ok, key key_hello value value_paxos version 1\n", []string{"getglobal", key}},
			{"Delete version conflict, key key_hello version 0\n", []string{"delete", key, "0"}},
		} {
			if err := s.shows(i, do.want, do.args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// master is who is master for the key.
func (s *stage) master() (int, error) {
	for i := range size {
		out, err := s.run(i, "getglobal", key)
		if err != nil {
			return 0, err
		}
		if strings.HasPrefix(out, "GetGlobal ok") {
			return i, nil
		}
	}
	return 0, errors.New("no server is master")
}

func (s *stage) killed(master int) error {
	// A server that came when the others had begun votes a little later.
	whole := func(out string) bool { return strings.Count(out, " ok\n") == size*phxkv.Groups }
	if _, err := s.until("servers that vote", master, whole, "status"); err != nil {
		return err
	}
	step("kill -9 for server %d, the master: the others elect another one when its lease of %v has ended", master+1, lease)
	s.servers[master].Kill()
	other := (master + 1) % size
	began := time.Now()
	_, err := s.until("another master", other, func(out string) bool { return strings.Contains(out, "GetGlobal ok") }, "getglobal", key)
	if err != nil {
		return err
	}
	note("there is one after %.1f s", time.Since(began).Seconds())
	if err := s.shows(other, "Put ok, key key_hello value two_are_enough version 1\n", "put", key, "two_are_enough", "1"); err != nil {
		return err
	}
	return s.shows((other+1)%size, "GetGlobal ok, key key_hello value two_are_enough version 2\n", "getglobal", key)
}

func (s *stage) back(i int) error {
	step("starting server %d again: it reads its own files, then learns what it missed", i+1)
	if err := s.start(i); err != nil {
		return err
	}
	if err := s.shows(i, "GetLocal ok, key key_hello value two_are_enough version 2\n", "getlocal", key); err != nil {
		return err
	}
	step("all nodes and groups: who is master, how far each is")
	out, err := s.run(i, "status")
	if err != nil {
		return err
	}
	s.print(i, out, "status")
	return nil
}

func (s *stage) end() error {
	step("SIGTERM for all: they finish what runs, give masterships up, and close")
	for i, p := range s.servers {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("server %d: %w", i+1, err)
		}
	}
	for i, p := range s.servers {
		exit, err := p.Exit(s.ctx)
		if err != nil || exit != 0 {
			return fmt.Errorf("server %d ended with exit code %d: %v, %s", i+1, exit, err, p.Stderr())
		}
		note("server %d: exit code 0", i+1)
	}
	return nil
}

// shows runs a command, prints it, and checks what it prints apart from where
// it was sent on to. A slow machine may be without a master for a moment, and
// a server may not have learned yet what another one has acknowledged.
func (s *stage) shows(i int, want string, args ...string) error {
	ready := func(out string) bool {
		if args[0] == "getlocal" {
			return out == want
		}
		return !strings.Contains(out, "ret 101") && !strings.Contains(out, "no master")
	}
	out, err := s.until(args[0], i, ready, args...)
	if err != nil {
		return err
	}
	s.print(i, out, args...)
	for strings.HasPrefix(out, "NewChannel ") {
		_, out, _ = strings.Cut(out, "\n")
	}
	if out != want {
		return fmt.Errorf("%s at server %d printed %q, want %q", args[0], i+1, out, want)
	}
	return nil
}

func (s *stage) print(i int, out string, args ...string) {
	note("$ %s %s %s", tools, s.grpc[i], strings.Join(args, " "))
	for line := range strings.Lines(out) {
		note("%s", strings.TrimSuffix(line, "\n"))
	}
}

// until repeats a command until its output is what is waited for.
func (s *stage) until(what string, i int, shown func(out string) bool, args ...string) (string, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := s.run(i, args...)
		if err == nil && shown(out) {
			return out, nil
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return "", fmt.Errorf("waiting for %s: %w; %s printed %q, %v", what, s.ctx.Err(), args[0], out, err)
		}
	}
}

// run runs the client.
func (s *stage) run(i int, args ...string) (string, error) {
	out, err := exec.CommandContext(s.ctx, filepath.Join(s.bin, tools), append([]string{s.grpc[i]}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w, printed %q", tools, args[0], err, out)
	}
	return string(out), nil
}
