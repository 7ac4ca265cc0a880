// Phxecho_sm is the state machine of phxecho as a program of its own. It is
// started by phxecho:
//
//	phxecho -sm ./phxecho_sm 127.0.0.1:11111 127.0.0.1:11111,127.0.0.1:11112
//
// It is the smallest program of its kind; package plugin/statemachine says
// what else one can do.
package main

import (
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/sample/phxecho/echo"
)

func main() {
	if err := statemachine.Serve(echo.Machine{}); err != nil {
		fmt.Fprintln(os.Stderr, "phxecho_sm:", err)
		os.Exit(1)
	}
}
