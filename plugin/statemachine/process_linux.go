package statemachine

import (
	"os"
	"os/exec"
	"syscall"
)

// alone gives the child a process group of its own, so that a signal from the
// terminal reaches the host first, and lets it die with the host in any case:
// a child without a host must not go on changing its state.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends the child's process group.
func kill(p *os.Process) error {
	if err := p.Signal(syscall.Signal(0)); err != nil {
		return nil // it has ended, its number is free
	}
	return syscall.Kill(-p.Pid, syscall.SIGKILL)
}
