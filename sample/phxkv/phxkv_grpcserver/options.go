package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/secretflags"
	"github.com/phxpaxos/phxpaxos-go/sample/tlsflags"
)

// options is what the command line says.
type options struct {
	server  phxkv.Options
	logDir  string
	listen  netip.AddrPort  // of paxos; not set: the address of the node
	layout  string          // of the paxos log
	tls     *tlsflags.Flags // between nodes
	secrets secretflags.Flags
	secret  network.Secret // that secrets asks for
	grpc    tlsFiles
	monitor monitor.Flags
}

// parseArgs reads the command line. When ok is false there is nothing to run,
// everything has been said, and exit is the exit code.
func parseArgs(args []string, stdout, stderr io.Writer) (o options, exit int, ok bool) {
	program := "phxkv_grpcserver"
	if len(args) > 0 {
		program, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported below, once
	o.flags(flags)
	err := flags.Parse(args)
	words := flags.Args()
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeUsage(stdout, program)
		fmt.Fprintln(stdout, "Directories are created if missing. The gRPC port is to be the paxos port + 10000.\nFlags, which stand before the arguments:")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, exitOK, false
	case err == nil && len(words) > 5:
		// The original ignores them. A list with a space behind a comma would
		// then start a cluster of fewer nodes than was meant.
		err = fmt.Errorf("unexpected argument %q; flags stand before the arguments, and the list of nodes has no spaces", words[5])
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
	}
	if err != nil || len(words) < 5 {
		writeUsage(stdout, program)
		return o, exitFail, false
	}
	if !o.parseAddresses(words, program, stdout, stderr) {
		return o, exitFail, false
	}
	o.server.KVPath, o.server.LogPath = words[3], words[4]
	if err := o.check(); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return o, exitFail, false
	}
	return o, exitOK, true
}

func (o *options) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.logDir, "log_dir", "./log", "`directory` of the log files, created if missing")
	flags.TextVar(&o.listen, "paxos_listen", netip.AddrPort{}, "`ip:port` at which paxos really listens, where others reach it at <paxos myip:myport>, as with containers")
	flags.BoolVar(&o.server.Fenced, "fenced", false, "answer getglobal by the master's lease, without a message; equal on all nodes, none of them an original one")
	flags.DurationVar(&o.server.Lease, "lease", 10*time.Second, "for how long a master is elected, 1s..24h: so long a group may be without one after a crash")
	flags.IntVar(&o.server.Hold, "hold", 1000000, "how many instances the log keeps for nodes that were away, 300 or more; others get a snapshot")
	flags.DurationVar(&o.server.Drain, "drain", 5*time.Second, "how long running calls may take to end when the server is stopped, and other nodes to become master")
	flags.StringVar(&o.grpc.cert, "grpc-tls-cert", "", "`file` with the certificate for clients; the gRPC service then speaks TLS")
	flags.StringVar(&o.grpc.key, "grpc-tls-key", "", "`file` with the key of -grpc-tls-cert")
	flags.StringVar(&o.grpc.clientCA, "grpc-tls-client-ca", "", "`file` of authorities; clients must then show a certificate of one of them")
	flags.StringVar(&o.server.StateMachine, "sm", "", "`program` of the state machine, such as phxkv_sm; without it the state machine is part of this one")
	flags.StringVar(&o.layout, "log_layout", phxpaxos.LayoutOriginal.String(), "how a new paxos log lies on disk: original, so that the original's programs can open it; shared, where one sync serves all groups; auto, which takes what is there, and shared for a new one")
	o.tls = tlsflags.Register(flags)
	o.secrets.Register(flags)
	o.monitor.Register(flags)
}

func (o *options) check() (err error) {
	if o.server.Drain < 0 {
		return fmt.Errorf("-drain is %v, must not be negative", o.server.Drain)
	}
	if err := o.checkLayout(); err != nil {
		return err
	}
	if err := o.tls.Validate(); err != nil {
		return err
	}
	if o.secret, err = o.secrets.Secret(); err != nil {
		return err
	}
	o.server.TLS, err = o.grpc.load()
	return err
}

func (o *options) checkLayout() error {
	for _, l := range []phxpaxos.LogLayout{phxpaxos.LayoutOriginal, phxpaxos.LayoutShared, phxpaxos.LayoutAuto} {
		if o.layout == l.String() {
			o.server.LogLayout = l
			return nil
		}
	}
	return fmt.Errorf("-log_layout is %q, must be original, shared or auto", o.layout)
}

// parseAddresses fills in who this node is and who its peers are. The short
// texts on stdout are the original's, the reason goes to stderr.
func (o *options) parseAddresses(words []string, program string, stdout, stderr io.Writer) bool {
	warn := func(format string, args ...any) { fmt.Fprintf(stderr, program+": "+format+"\n", args...) }
	listen, err := netip.ParseAddrPort(words[0])
	if err != nil {
		fmt.Fprintln(stdout, "parse myip:myport fail")
		warn("gRPC address: %v", err)
		return false
	}
	me, rest, err := nodeaddr.Parse(words[1])
	if err != nil {
		fmt.Fprintln(stdout, "parse myip:myport fail")
		warn("paxos address: %v", err)
		return false
	}
	nodes, ignored, err := nodeaddr.ParseList(words[2])
	if err != nil {
		fmt.Fprintln(stdout, "parse ip/port list fail")
		warn("%v", err)
		return false
	}
	if rest != "" {
		ignored = append(ignored, rest)
	}
	if len(ignored) > 0 {
		warn("warning: ignored %q behind a port", strings.Join(ignored, " "))
	}
	o.server.Listen, o.server.MyNode, o.server.Nodes = words[0], me, nodes
	checkRedirects(listen, me, nodes, warn)
	return true
}

// checkRedirects warns if clients would be sent to where no server listens.
func checkRedirects(listen netip.AddrPort, me nodeid.ID, nodes []nodeid.ID, warn func(string, ...any)) {
	for _, node := range nodes {
		to, err := phxkv.GRPCAddress(node)
		switch {
		case err != nil:
			warn("warning: %v", err)
		case node == me && to.Port() != listen.Port():
			warn("warning: other nodes send clients to port %d when this node is master, and it listens at port %d", to.Port(), listen.Port())
		}
	}
}

func writeUsage(w io.Writer, program string) {
	fmt.Fprintf(w, "%s <grpc myip:myport> <paxos myip:myport> <node0_ip:node_0port,node1_ip:node_1_port,node2_ip:node2_port,...> <kvdb storagepath> <paxoslog storagepath>\n", program)
}
