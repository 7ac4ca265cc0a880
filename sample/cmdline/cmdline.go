package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/secretflags"
	"github.com/phxpaxos/phxpaxos-go/sample/tlsflags"
)

// Exit codes of the programs.
const (
	ExitOK    = 0
	ExitFail  = 1
	ExitUsage = 2
)

// Program is what one program has of its own.
type Program struct {
	Name  string              // unless the command line says it
	About string              // a line that -help prints
	Flags func(*flag.FlagSet) // registers its own flags; may be nil
}

// Options is what a command line says.
type Options struct {
	Me         nodeid.ID
	Nodes      []nodeid.ID
	StorageDir string
	TLS        *tlsflags.Flags
	Secret     network.Secret // of the cluster
	Monitor    monitor.Flags
}

// LogPath is where this node keeps its data. The name is the original's, so
// that a directory can change hands. It is not cleaned, because the original
// prints it as "./logpath_…".
func (o *Options) LogPath() string {
	addr := o.Me.AddrPort()
	name := fmt.Sprintf("logpath_%s_%d", addr.Addr(), addr.Port())
	if o.StorageDir == "." {
		return "./" + name
	}
	return filepath.Join(o.StorageDir, name)
}

// MakeLogPath creates that directory and its parents. Something else that
// stands at its place is left to phxpaxos.Run to refuse, as in the original.
func (o *Options) MakeLogPath() error {
	if _, err := os.Stat(o.LogPath()); err == nil {
		return nil
	}
	return os.MkdirAll(o.LogPath(), 0o775)
}

// Parse reads a command line, of which the first word is the program. When ok
// is false there is nothing to run, everything has been said, and exit is the
// exit code.
func (p Program) Parse(args []string, stdout, stderr io.Writer) (o Options, exit int, ok bool) {
	if len(args) > 0 {
		p.Name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported below, once
	flags.StringVar(&o.StorageDir, "storage_dir", ".", "`directory` that holds the data directory logpath_<ip>_<port>, whose log has the original's layout")
	o.Monitor.Register(flags)
	o.TLS = tlsflags.Register(flags)
	var secret secretflags.Flags
	secret.Register(flags)
	if p.Flags != nil {
		p.Flags(flags)
	}
	words, err := parseInterleaved(flags, args)
	if err == nil {
		err = o.TLS.Validate()
	}
	if err == nil {
		o.Secret, err = secret.Secret()
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		p.usage(stdout)
		fmt.Fprintln(stdout, p.About)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, ExitOK, false
	case err == nil && len(words) > 2:
		// The original ignores them. A list with a space behind a comma would
		// then start a cluster of fewer nodes than was meant.
		err = fmt.Errorf("unexpected argument %q; the list of nodes has no spaces", words[2])
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	}
	if err != nil || len(words) < 2 {
		p.usage(stdout)
		return o, ExitUsage, false
	}
	if !o.parseAddresses(words[0], words[1], p.Name, stdout, stderr) {
		return o, ExitUsage, false
	}
	return o, ExitOK, true
}

func (p Program) usage(w io.Writer) {
	fmt.Fprintf(w, "%s <myip:myport> <node0_ip:node_0port,node1_ip:node_1_port,node2_ip:node2_port,...>\n", p.Name)
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
func (o *Options) parseAddresses(me, list, program string, stdout, stderr io.Writer) bool {
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
	o.Me, o.Nodes = id, nodes
	return true
}
