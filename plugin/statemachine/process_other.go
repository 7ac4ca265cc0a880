//go:build !linux

package statemachine

import (
	"os"
	"os/exec"
)

// alone has nothing to do; a child ends when its input does.
func alone(*exec.Cmd) {}

func kill(p *os.Process) error { return p.Kill() }
