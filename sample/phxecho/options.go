package main

import (
	"flag"
	"io"

	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// options is what the command line says.
type options struct {
	cmdline.Options
	logDir  string
	machine string // the program of the state machine, "" if it is this one
}

// parseArgs reads the command line. When ok is false there is nothing to run,
// everything has been said, and exit is the exit code.
func parseArgs(args []string, stdout, stderr io.Writer) (o options, exit int, ok bool) {
	program := cmdline.Program{
		Name:  "phxecho",
		About: "Type a line at any node; every node prints it. The list is the same for all nodes.",
		Flags: func(flags *flag.FlagSet) {
			flags.StringVar(&o.logDir, "log_dir", "./log", "`directory` of the log files, created if missing")
			flags.StringVar(&o.machine, "sm", "", "`program` of the state machine, such as phxecho_sm; without it the state machine is part of this one")
		},
	}
	o.Options, exit, ok = program.Parse(args, stdout, stderr)
	return o, exit, ok
}
