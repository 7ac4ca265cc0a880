// Paxos_log_tools looks at the log of a node that is not running: the highest
// instance, the newest record of one, and, to repair a log by hand, its
// removal (spec/storage-api.md section 10.1).
//
//	paxos_log_tools <paxos log dir> <group idx> getmaxi
//	paxos_log_tools <paxos log dir> <group idx> get <instanceid>
//	paxos_log_tools [-y] <paxos log dir> <group idx> del <instanceid>
//
// Standard output is the original's to the letter, without the coloured lines
// of its storage layer; reasons go to standard error. getmaxi and get change
// nothing in the directory. del asks before it does anything, unless -y is
// given, and then opens the log as a node does. The exit code is 0, 2 if the
// arguments make no sense, or 1 for every other failure, also for an instance
// that is not there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

// tool is one call of the program.
type tool struct {
	name     string
	dir      string
	group    int
	instance uint64
	yes      bool

	in       io.Reader
	out, err io.Writer
}

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	t := &tool{name: args[0], in: in, out: out, err: errOut}
	flags := flag.NewFlagSet(t.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&t.yes, "y", false, "")
	err := flags.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		t.usage()
		return 0
	}
	rest := flags.Args()
	if err != nil || len(rest) < 3 || len(rest) > 4 {
		t.usage()
		if err != nil {
			t.complain(err)
		}
		return exitUsage
	}
	if rest[0] == "" {
		fmt.Fprintf(out, "paxos log path not valid, path %s\n", rest[0])
		return exitUsage
	}
	t.dir = rest[0]
	if t.group, err = strconv.Atoi(rest[1]); err != nil || t.group < 0 {
		return t.wrong("group idx is %q, must be 0 or more", rest[1])
	}
	if len(rest) == 4 {
		if t.instance, err = strconv.ParseUint(rest[3], 10, 64); err != nil {
			return t.wrong("instanceid is %q, must be a number of 64 bits", rest[3])
		}
	}
	return t.do(rest[2], len(rest) == 4)
}

func (t *tool) do(op string, hasInstance bool) int {
	switch {
	case op == "getmaxi":
		return t.getMax()
	case op == "get":
		return t.get() // without an instance it is 0, as ever
	case op == "del" && hasInstance:
		return t.del()
	case op == "del":
		return t.wrong("del needs an instanceid")
	}
	return t.wrong("there is no operation %q, only getmaxi, get and del", op)
}

func (t *tool) usage() {
	fmt.Fprintf(t.out, "%s <paxos log dir> <group idx> <getmaxi>\n", t.name)
	fmt.Fprintf(t.out, "%s <paxos log dir> <group idx> <del> <instanceid>\n", t.name)
	fmt.Fprintf(t.out, "%s <paxos log dir> <group idx> <get> <instanceid>\n", t.name)
	fmt.Fprintln(t.err, "-y in front of the directory deletes without asking. Stop the node first.")
}

func (t *tool) complain(err error) { fmt.Fprintf(t.err, "%s: %v\n", t.name, err) }

func (t *tool) wrong(format string, args ...any) int {
	t.complain(fmt.Errorf(format, args...))
	return exitUsage
}

// openFailed reports a log that cannot be opened. The original's codes for it
// were all -1.
func (t *tool) openFailed(err error) int {
	fmt.Fprintf(t.out, "init log storage fail, ret -1\n")
	t.complain(err)
	return exitFailed
}

func (t *tool) getMax() int {
	g, err := logdir.Open(t.dir, t.group)
	if err != nil {
		return t.openFailed(err)
	}
	defer g.Close()
	max, err := g.Max()
	if err != nil {
		fmt.Fprintf(t.out, "get max instanceid fail, ret %d\n", code(err))
		t.complain(err)
		return exitFailed
	}
	fmt.Fprintf(t.out, "max instanceid %d\n", max)
	return 0
}

func (t *tool) get() int {
	g, err := logdir.Open(t.dir, t.group)
	if err != nil {
		return t.openFailed(err)
	}
	defer g.Close()
	data, err := g.Read(t.instance)
	if err != nil {
		fmt.Fprintf(t.out, "get this instance %d fail\n", t.instance)
		t.complain(err)
		return exitFailed
	}
	var rec paxos.Record
	if err := wire.DecodeRecord(data, &rec); err != nil {
		fmt.Fprintf(t.out, "parse from array fail, buffer size %d\n", len(data))
		t.complain(err)
		return exitFailed
	}
	if err := logdir.WriteState(t.out, &rec); err != nil {
		t.complain(err)
		return exitFailed
	}
	return 0
}
