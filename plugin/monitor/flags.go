package monitor

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Flags are the options of a program's command line. Register them, and Start
// what they ask for before the node is run.
type Flags struct {
	Addr  string // -monitor
	Peers string // -monitor-peers
	Pprof bool   // -monitor-pprof
}

// Register adds the options to a command line.
func (f *Flags) Register(flags *flag.FlagSet) {
	flags.StringVar(&f.Addr, "monitor", "", "`host:port` of a status page, with metrics at /metrics; none by default")
	flags.StringVar(&f.Peers, "monitor-peers", "", "`host:port,…` of the other nodes' monitors, so that the page shows the whole cluster")
	flags.BoolVar(&f.Pprof, "monitor-pprof", false, "let the monitor serve profiles at /debug/pprof/")
}

// Start starts the monitor that was asked for and says where it is on w. It
// returns nil, whose methods do nothing, if none was asked for.
func (f *Flags) Start(w io.Writer) (*Monitor, error) {
	if f.Addr == "" {
		if f.Peers != "" || f.Pprof {
			return nil, fmt.Errorf("-monitor-peers and -monitor-pprof need -monitor HOST:PORT")
		}
		return nil, nil
	}
	o := Options{Addr: f.Addr, Pprof: f.Pprof}
	if f.Peers != "" {
		o.Peers = strings.Split(f.Peers, ",")
	}
	m, err := New(o)
	if err != nil {
		return nil, fmt.Errorf("-monitor %s: %w", f.Addr, err)
	}
	fmt.Fprintf(w, "monitor: http://%s/\n", m.Addr())
	return m, nil
}
