package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
)

const (
	size = 3
	// endMax is how long a server may take to end.
	endMax = 20 * time.Second
)

// servers are processes that end with this one.
type servers struct {
	running  []*exec.Cmd
	releases []func() // give their ports back
}

// hold finds addresses for n servers, and keeps them until all have ended.
func (s *servers) hold(n int, offset ...uint16) ([]nodeid.ID, error) {
	ids, release, err := freeaddr.Hold(n, offset...)
	s.releases = append(s.releases, release)
	return ids, err
}

func (s *servers) start(cmd *exec.Cmd) error {
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.running = append(s.running, cmd)
	return nil
}

// close ends all processes.
func (s *servers) close() {
	for _, cmd := range s.running {
		cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(endMax, func() { cmd.Process.Kill() })
		cmd.Wait() // how it ends does not matter any more
		late.Stop()
	}
	for _, release := range s.releases {
		release()
	}
}

// startEtcd starts three members, each this program, and returns where
// clients connect.
func (s *servers) startEtcd(dir string) (endpoints []string, err error) {
	ids, err := s.hold(2 * size)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var cluster []string
	for i := range size {
		cluster = append(cluster, fmt.Sprintf("m%d=http://%v", i, ids[size+i]))
	}
	for i := range size {
		endpoint := fmt.Sprintf("http://%v", ids[i])
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), etcdEnv+"="+etcdMember(fmt.Sprintf("m%d", i), endpoint,
			fmt.Sprintf("http://%v", ids[size+i]), filepath.Join(dir, fmt.Sprintf("etcd%d", i)), strings.Join(cluster, ",")))
		if err := s.start(cmd); err != nil {
			return nil, err
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

// startPhxkv builds the server, starts three of them and returns the address
// of one.
func (s *servers) startPhxkv(ctx context.Context, dir string, fenced bool) (address string, err error) {
	const redirectRule = 10000
	ids, err := s.hold(size, redirectRule)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "phxkv_grpcserver")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./sample/phxkv/phxkv_grpcserver")
	build.Dir = "../.." // the library's module, whose versions it is to have
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	for i, id := range ids {
		if address, err = grpcAddress(id); err != nil {
			return "", err
		}
		path := func(name string) string { return filepath.Join(dir, fmt.Sprintf("%s%d", name, i)) }
		args := []string{"-log_layout", "shared", "-log_dir", path("log"), address, id.String(), nodeaddr.List(ids), path("kvdb"), path("paxoslog")}
		if fenced {
			args = append([]string{"-fenced"}, args...)
		}
		if err := s.start(exec.Command(bin, args...)); err != nil {
			return "", err
		}
	}
	return address, nil
}

func grpcAddress(id nodeid.ID) (string, error) {
	address, err := phxkv.GRPCAddress(id)
	return address.String(), err
}
