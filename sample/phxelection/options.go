package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/tlsflags"
)

// options is what the command line says.
type options struct {
	me         nodeid.ID
	nodes      []nodeid.ID
	storageDir string
	tls        *tlsflags.Flags
	monitor    monitor.Flags
}

// logPath is where this node keeps its data. The name is the original's, so
// that a directory can change hands. It is not cleaned, because the original
// prints it as "./logpath_…".
func (o options) logPath() string {
	addr := o.me.AddrPort()
	name := fmt.Sprintf("logpath_%s_%d", addr.Addr(), addr.Port())
	if o.storageDir == "." {
		return "./" + name
	}
	return filepath.Join(o.storageDir, name)
}

// parseArgs reads the command line. When ok is false there is nothing to run,
// everything has been said, and exit is the exit code.
func parseArgs(args []string, stdout, stderr io.Writer) (o options, exit int, ok bool) {
	program := "phxelection"
	if len(args) > 0 {
		program, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported below, once
	flags.StringVar(&o.storageDir, "storage_dir", ".", "`directory` that holds the data directory logpath_<ip>_<port>, whose log has the original's layout")
	o.monitor.Register(flags)
	o.tls = tlsflags.Register(flags)

	words, err := parseInterleaved(flags, args)
	if err == nil {
		err = o.tls.Validate()
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeUsage(stdout, program)
		fmt.Fprintln(stdout, "Every node prints each second who is master. The list is the same for all nodes.")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, exitOK, false
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		writeUsage(stdout, program)
		return o, exitUsage, false
	case len(words) < 2:
		writeUsage(stdout, program)
		return o, exitUsage, false
	case len(words) > 2:
		// The original ignores them. A list with a space behind a comma would
		// then start a cluster of fewer nodes than was meant.
		fmt.Fprintf(stderr, "%s: unexpected argument %q; the list of nodes has no spaces\n", program, words[2])
		writeUsage(stdout, program)
		return o, exitUsage, false
	}
	if !o.parseAddresses(words[0], words[1], program, stdout, stderr) {
		return o, exitUsage, false
	}
	return o, exitOK, true
}

// parseInterleaved lets flags stand before, between and behind the addresses.
func parseInterleaved(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// parseAddresses fills in who this node is and who its peers are. The short
// texts on stdout are the original's, the reason goes to stderr.
func (o *options) parseAddresses(me, list, program string, stdout, stderr io.Writer) bool {
	var ignored []string
	id, rest, err := nodeaddr.Parse(me)
	if err != nil {
		fmt.Fprintln(stdout, "parse myip:myport fail")
		fmt.Fprintf(stderr, "%s: own address: %v\n", program, err)
		return false
	}
	if rest != "" {
		ignored = append(ignored, rest)
	}
	nodes, more, err := nodeaddr.ParseList(list)
	if err != nil {
		fmt.Fprintln(stdout, "parse ip/port list fail")
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return false
	}
	if ignored = append(ignored, more...); len(ignored) > 0 {
		fmt.Fprintf(stderr, "%s: warning: ignored %q behind a port\n", program, strings.Join(ignored, " "))
	}
	o.me, o.nodes = id, nodes
	return true
}

func writeUsage(w io.Writer, program string) {
	fmt.Fprintf(w, "%s <myip:myport> <node0_ip:node_0port,node1_ip:node_1_port,node2_ip:node2_port,...>\n", program)
}
