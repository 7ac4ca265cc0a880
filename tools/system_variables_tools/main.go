// System_variables_tools shows and changes what a stopped node keeps of the
// membership of a group and its cluster id, called gid
// (spec/storage-api.md section 10.2).
//
//	system_variables_tools <paxos log dir> <group idx> show
//	system_variables_tools <paxos log dir> <group idx> modgid <gid>
//
// Standard output is the original's to the letter; reasons go to standard
// error. show changes nothing in the directory; modgid opens the log as a
// node does. The exit code is 0, 2 if the arguments make no sense, or 1 for
// every other failure.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

// tool is one call of the program.
type tool struct {
	name     string
	dir      string
	group    int
	out, err io.Writer
}

func run(args []string, out, errOut io.Writer) int {
	t := &tool{name: args[0], out: out, err: errOut}
	flags := flag.NewFlagSet(t.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := flags.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		t.usage()
		return 0
	}
	rest := flags.Args()
	if err != nil || len(rest) < 3 || len(rest) > 4 {
		t.usage()
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
	switch rest[2] {
	case "show":
		return t.show()
	case "modgid":
		return t.modgid(rest[3:])
	}
	return t.wrong("there is no operation %q, only show and modgid", rest[2])
}

func (t *tool) usage() {
	fmt.Fprintf(t.out, "%s <paxos log dir> <group idx> <op> <gid/membership>\n", t.name)
	fmt.Fprintln(t.err, "op is show, or modgid with a gid. Stop the node first.")
}

func (t *tool) complain(err error) { fmt.Fprintf(t.err, "%s: %v\n", t.name, err) }

func (t *tool) wrong(format string, args ...any) int {
	t.complain(fmt.Errorf(format, args...))
	return exitUsage
}

func (t *tool) failed(format string, err error) int {
	fmt.Fprintln(t.out, format)
	t.complain(err)
	return exitFailed
}

// variables are what is stored, or what a node has before anything is.
func (t *tool) variables() (v wire.SystemVariables, stored bool, line string, err error) {
	v.Version = wire.NoVersion
	g, err := logdir.Open(t.dir, t.group)
	if err != nil {
		return v, false, "init log storage fail, ret -1", err
	}
	defer g.Close()
	data, err := g.Variable(storage.SystemVariables)
	if errors.Is(err, storage.ErrNotFound) {
		return v, false, "", nil
	}
	if err == nil {
		err = wire.DecodeSystemVariables(data, &v)
	}
	return v, true, "system variable sm init fail, ret -1", err
}

func (t *tool) show() int {
	v, _, line, err := t.variables()
	if err != nil {
		return t.failed(line, err)
	}
	t.print(v)
	return 0
}

func (t *tool) print(v wire.SystemVariables) {
	fmt.Fprintf(t.out, "gid %d\nversion %d\n", v.Cluster, v.Version)
	for _, id := range v.Members {
		at := id.AddrPort()
		fmt.Fprintf(t.out, "ip %s port %d nodeid %d\n", at.Addr(), at.Port(), uint64(id))
	}
}

// errNoMembers: the original writes a membership of nobody here, with which
// its node can never decide anything again.
var errNoMembers = errors.New("no membership is stored, and with a gid alone the group would have no members; let the node create both")

func (t *tool) modgid(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(t.out, "no gid to mod")
		return exitUsage
	}
	gid, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return t.wrong("gid is %q, must be a number of 64 bits", args[0])
	}
	v, stored, line, err := t.variables()
	if err != nil {
		return t.failed(line, err)
	}
	if !stored {
		return t.failed(fmt.Sprintf("mod gid fail, ret 1 gid %d", gid), errNoMembers)
	}
	s, err := logdir.OpenForChange(t.dir, t.group)
	if err != nil {
		return t.failed("init log storage fail, ret -1", err)
	}
	v.Cluster = gid
	err = s.SetVariable(t.group, storage.SystemVariables, wire.AppendSystemVariables(nil, &v))
	if closed := s.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return t.failed(fmt.Sprintf("mod gid fail, ret -1 gid %d", gid), err)
	}
	fmt.Fprintln(t.out, "after mod gid:")
	return t.show()
}
