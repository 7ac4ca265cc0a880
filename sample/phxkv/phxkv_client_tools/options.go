package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// options is what the command line says.
type options struct {
	program string
	address string
	command string
	args    []string // behind the command

	timeout   time.Duration
	encoding  encoding
	valueFile string
	raw       bool
	strict    bool
	tlsConfig *tls.Config
}

// command is one thing that the program does.
type command struct {
	original bool
	usage    string // behind the address
	help     string
	run      func(*tool, context.Context) int
	least    int // arguments behind the command
}

var commandNames = []string{"put", "getlocal", "getglobal", "delete", "batch", "scan", "status", "bench"}

// commands by name; a function, since those that it names use it.
func commands() map[string]command {
	return map[string]command{
		"put":       {true, "<put> <key> <value> <version>", "write a key that has this version, 0 for a new one", (*tool).put, 3},
		"getlocal":  {true, "<getlocal> <key>", "read what this server has, maybe outdated", (*tool).getLocal, 1},
		"getglobal": {true, "<getglobal> <key>", "linearizable read, at the master", (*tool).getGlobal, 1},
		"delete":    {true, "<delete> <key> <version>", "delete a key that has this version", (*tool).delete, 2},
		"batch":     {false, "<batch> [flags] [file]", "commands as above from a file or stdin, one on each line, many at once; \"a b\" quotes", (*tool).batch, 0},
		"scan":      {false, "<scan> [flags] [prefix]", "all keys that this server has", (*tool).scan, 0},
		"status":    {false, "<status>", "masters, instances and lag of all nodes", (*tool).status, 0},
		"bench":     {false, "<bench> [flags]", "measure throughput and latency", (*tool).bench, 0},
	}
}

// parseArgs reads the command line. When ok is false there is nothing to run,
// everything has been said, and exit is the exit code.
func parseArgs(args []string, stdout, stderr io.Writer) (o options, exit int, ok bool) {
	o.program = "phxkv_client_tools"
	if len(args) > 0 {
		o.program, args = args[0], args[1:]
	}
	var t tlsFiles
	flags := flag.NewFlagSet(o.program, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported below, once
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long a call may take; 0 waits for ever, as the original does")
	flags.Var(&o.encoding, "encoding", "how keys and values are written, here and in the output: text, hex or base64")
	flags.StringVar(&o.valueFile, "value_file", "", "put takes the value from this `file`, - for stdin, and not from an argument")
	flags.BoolVar(&o.raw, "raw", false, "getlocal and getglobal print the value and nothing else, without a newline")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 unless the answer is ok; the original exits with 0 whatever the answer")
	t.flags(flags)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		writeHelp(stdout, o.program, flags)
		return o, exitOK, false
	}
	if err == nil {
		o.tlsConfig, err = t.load()
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", o.program, err)
		writeUsage(stdout, o.program)
		return o, exitUsage, false
	}
	exit, ok = o.parseCommand(flags.Args(), stdout, stderr)
	return o, exit, ok
}

// parseCommand counts as the original does: with too few arguments of any kind
// before it looks at the command.
func (o *options) parseCommand(words []string, stdout, stderr io.Writer) (exit int, ok bool) {
	if len(words) >= 2 {
		o.address, o.command, o.args = words[0], words[1], words[2:]
	}
	c, known := commands()[o.command]
	least := c.least
	if o.command == "put" && o.valueFile != "" {
		least--
	}
	switch {
	case len(words) < 2, len(words) < 3 && (!known || c.original):
		writeUsage(stdout, o.program)
		return exitUsage, false
	case !known:
		fmt.Fprintf(stderr, "%s: there is no command %q; -h lists all\n", o.program, o.command)
		writeUsage(stdout, o.program)
		return exitOK, false // as the original
	case len(o.args) < least:
		writeUsage(stdout, o.program)
		return exitUsage, false
	case c.original && len(o.args) > least:
		fmt.Fprintf(stderr, "%s: warning: ignored %q; flags stand before the address\n", o.program, o.args[least:])
	}
	return exitOK, true
}

// writeUsage prints the original's usage.
func writeUsage(w io.Writer, program string) {
	for _, name := range commandNames {
		if c := commands()[name]; c.original {
			fmt.Fprintf(w, "%s <server address ip:port> %s\n", program, c.usage)
		}
	}
}

func writeHelp(w io.Writer, program string, flags *flag.FlagSet) {
	fmt.Fprintf(w, "%s [flags] <server address ip:port> <command> ...\n\n", program)
	for _, name := range commandNames {
		fmt.Fprintf(w, "  %-32s %s\n", commands()[name].usage, commands()[name].help)
	}
	fmt.Fprintf(w, "\nbatch, scan and bench have flags of their own: %s <server address> bench -h\n\nFlags, which stand before the address:\n", program)
	flags.SetOutput(w)
	flags.PrintDefaults()
}

// parseFlags reads the flags of one command.
func (t *tool) parseFlags(flags *flag.FlagSet, words int) (exit int, ok bool) {
	flags.SetOutput(io.Discard)
	err := flags.Parse(t.args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(t.stdout, "%s <server address ip:port> %s\n%s\n", t.program, commands()[t.command].usage, commands()[t.command].help)
		flags.SetOutput(t.stdout)
		flags.PrintDefaults()
		return exitOK, false
	case err == nil && flags.NArg() > words:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(words))
	}
	if err != nil {
		t.warn("%s: %v", t.command, err)
		return exitUsage, false
	}
	return exitOK, true
}
