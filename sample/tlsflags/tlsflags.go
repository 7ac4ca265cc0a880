package tlsflags

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

// ErrFlags is matched by errors about flags that are missing or malformed.
var ErrFlags = errors.New("-tls flags")

// Flags are what the command line says. Its methods are for use after the flags
// were parsed; they are safe for concurrent use.
type Flags struct {
	cert, key, ca, allow, nodes string

	mu    sync.Mutex
	guard *certs.Guard
}

// Register adds the flags to a set.
func Register(set *flag.FlagSet) *Flags {
	f := new(Flags)
	set.StringVar(&f.cert, "tls-cert", "", "`file` with this node's certificate; nodes then speak TLS and prove who they are")
	set.StringVar(&f.key, "tls-key", "", "`file` with the key of -tls-cert")
	set.StringVar(&f.ca, "tls-ca", "", "`file` with the authorities that are trusted")
	set.StringVar(&f.allow, "tls-allow", "", "`names` that are let in, such as a.example,*.b.example; * is everybody of -tls-ca")
	set.StringVar(&f.nodes, "tls-nodes", "", "`ids` that are tied to names, such as 127.0.0.1:11111=a.example,127.0.0.1:11112=b.example")
	return f
}

// Set reports whether TLS is asked for.
func (f *Flags) Set() bool {
	return f.cert != "" || f.key != "" || f.ca != "" || f.allow != "" || f.nodes != ""
}

// Validate reports what is missing or malformed. It does not look at files.
func (f *Flags) Validate() error {
	if !f.Set() {
		return nil
	}
	for _, needed := range []struct{ name, value string }{{"-tls-cert", f.cert}, {"-tls-key", f.key}, {"-tls-ca", f.ca}} {
		if needed.value == "" {
			return fmt.Errorf("%w: %s is missing; -tls-cert, -tls-key and -tls-ca go together", ErrFlags, needed.name)
		}
	}
	if f.allow == "" && f.nodes == "" {
		return fmt.Errorf("%w: -tls-allow is missing; it lists who is let in, * stands for everybody of -tls-ca", ErrFlags)
	}
	cfg, err := f.config(nil)
	if err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrFlags, err)
	}
	return nil
}

// config turns the flags into a configuration.
func (f *Flags) config(log *slog.Logger) (certs.Config, error) {
	cfg := certs.Config{CertFile: f.cert, KeyFile: f.key, CAFile: f.ca, Logger: log, Nodes: make(map[nodeid.ID]string)}
	if f.allow != "" {
		cfg.Allow = strings.Split(f.allow, ",")
	}
	if f.nodes == "" {
		return cfg, nil
	}
	for _, tie := range strings.Split(f.nodes, ",") {
		address, name, found := strings.Cut(tie, "=")
		if !found {
			return cfg, fmt.Errorf("%w: -tls-nodes has %q, want an id and a name such as 127.0.0.1:11111=a.example", ErrFlags, tie)
		}
		id, ignored, err := nodeaddr.Parse(address)
		if err == nil && ignored != "" {
			err = fmt.Errorf("%q behind the port", ignored)
		}
		if err != nil {
			return cfg, fmt.Errorf("%w: -tls-nodes has %q: %w", ErrFlags, tie, err)
		}
		if cfg.Nodes[id] != "" {
			return cfg, fmt.Errorf("%w: -tls-nodes has %v twice", ErrFlags, id)
		}
		cfg.Nodes[id] = name
	}
	return cfg, nil
}

// Guard returns who decides whom to let in, always the same one, or nil if TLS
// is not asked for. It reads the files. The first call decides about the log.
func (f *Flags) Guard(log *slog.Logger) (*certs.Guard, error) {
	if err := f.Validate(); err != nil || !f.Set() {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guard != nil {
		return f.guard, nil
	}
	cfg, err := f.config(log)
	if err != nil {
		return nil, err
	}
	guard, err := certs.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFlags, err)
	}
	f.guard = guard
	return guard, nil
}

// Network returns the network that the flags ask for, to be put into
// phxpaxos.Options; nil, the default network, if neither TLS nor cfg asks for
// anything else. cfg.Me must be set; cfg.Logger also gets a line for refusals.
func (f *Flags) Network(cfg network.Config) (network.Network, error) {
	guard, err := f.Guard(cfg.Logger)
	switch {
	case err != nil:
		return nil, err
	case guard != nil:
		return tlsnet.New(cfg, guard)
	case cfg.Secret.Set() || cfg.ListenAddr.IsValid():
		return network.NewTCP(cfg)
	}
	return nil, nil
}

// Server returns the configuration for a server of the application, such as one
// of gRPC; nil if TLS is not asked for. Clients need a certificate with a name
// that is let in.
func (f *Flags) Server() (*tls.Config, error) {
	guard, err := f.Guard(nil)
	if guard == nil || err != nil {
		return nil, err
	}
	return guard.ServerConfig(), nil
}

// Client returns the configuration for a client of such a server; nil if TLS is
// not asked for.
func (f *Flags) Client() (*tls.Config, error) {
	guard, err := f.Guard(nil)
	if guard == nil || err != nil {
		return nil, err
	}
	return guard.ClientConfig(), nil
}
