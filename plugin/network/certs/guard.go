package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/hostlimit"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/filewatch"
)

// Guard decides who may speak to this node. All methods are safe for concurrent
// use. It has no goroutine and nothing to close; one Guard can serve several
// networks and servers.
type Guard struct {
	cfg      Config
	files    *filewatch.Files
	refusals hostlimit.Limiter[string]
	observer atomic.Pointer[event.Observer] // of refusals, nil for none

	changing   sync.Mutex // of those who replace state
	state      atomic.Pointer[state]
	loadFailed atomic.Int64 // when a failed reload was last logged, Unix nanoseconds
}

// state is what decides. It is replaced as a whole.
type state struct {
	own    tls.Certificate
	roots  *x509.CertPool
	policy *policy
}

// New reads the files. The error matches ErrConfig and says what is wrong with
// which of them.
func New(cfg Config) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := filewatch.Whole(&cfg.CertFile, &cfg.KeyFile, &cfg.CAFile); err != nil {
		return nil, fmt.Errorf("%w: the working directory is unknown: %w; name absolute paths", ErrConfig, err)
	}
	g := &Guard{cfg: cfg.withDefaults()}
	g.files = filewatch.New(g.cfg.CheckInterval, cfg.CertFile, cfg.KeyFile, cfg.CAFile)
	g.state.Store(&state{policy: newPolicy(cfg.Allow, cfg.Nodes)})
	if cfg.Observer != nil {
		g.observer.Store(&cfg.Observer)
	}
	if err := g.Reload(); err != nil {
		return nil, err
	}
	return g, nil
}

// ReportTo names who is told of refusals, unless Config.Observer or an earlier
// call did. Networks call it for the node that runs them.
func (g *Guard) ReportTo(o event.Observer) {
	if o != nil {
		g.observer.CompareAndSwap(nil, &o)
	}
}

// Identifies reports whether an id is tied to a name, so that Session.Admit
// refuses its packets from every other one.
func (g *Guard) Identifies(id nodeid.ID) bool {
	_, tied := g.state.Load().policy.nodes[id]
	return tied
}

// Reload reads the files now, whether they have changed or not. If they cannot
// be used, the error says why and everything stays as it was.
func (g *Guard) Reload() error {
	g.changing.Lock()
	defer g.changing.Unlock()
	return g.files.Read(func() error {
		own, roots, err := g.cfg.load()
		if err != nil {
			return err
		}
		g.state.Store(&state{own: own, roots: roots, policy: g.state.Load().policy})
		return nil
	})
}

// SetAllow replaces Config.Allow and Config.Nodes, with the same rules. Who is
// connected and not let in any more loses its connection.
func (g *Guard) SetAllow(allow []string, nodes map[nodeid.ID]string) error {
	if err := validateNames(allow, nodes); err != nil {
		return err
	}
	g.changing.Lock()
	defer g.changing.Unlock()
	old := g.state.Load()
	g.state.Store(&state{own: old.own, roots: old.roots, policy: newPolicy(allow, nodes)})
	return nil
}

// load reads the files and checks that this node could connect to itself.
func (c *Config) load() (own tls.Certificate, roots *x509.CertPool, err error) {
	fail := func(err error) (tls.Certificate, *x509.CertPool, error) {
		return tls.Certificate{}, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	ca, err := os.ReadFile(c.CAFile)
	if err != nil {
		return fail(fmt.Errorf("CAFile: %w", err))
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fail(fmt.Errorf("CAFile %s holds no certificate in PEM", c.CAFile))
	}
	own, err = tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return fail(fmt.Errorf("CertFile %s and KeyFile %s: %w", c.CertFile, c.KeyFile, err))
	}
	chain := make([]*x509.Certificate, len(own.Certificate))
	for i, der := range own.Certificate {
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return fail(fmt.Errorf("CertFile %s: %w", c.CertFile, err))
		}
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		// An expired one is for the other nodes to refuse: this node can still
		// come up, say why nobody talks to it, and take a new file.
		at := chain[0].NotBefore.Add(time.Second)
		if now := time.Now(); now.Before(chain[0].NotAfter) {
			at = now
		}
		if _, err := verifyChain(chain, roots, use, at); err != nil {
			return fail(fmt.Errorf("CertFile %s is not accepted %s by an authority in CAFile %s: %w", c.CertFile, useName[use], c.CAFile, err))
		}
	}
	if time.Now().After(chain[0].NotAfter) {
		c.Logger.Warn("this node's certificate has expired, nobody will let it in", "file", c.CertFile, "since", chain[0].NotAfter)
	}
	return own, roots, nil
}

var useName = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageServerAuth: "as a server's certificate",
	x509.ExtKeyUsageClientAuth: "as a client's certificate",
}

// verifyChain checks a certificate, the first of chain, and returns until when
// it is good.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, use x509.ExtKeyUsage, at time.Time) (until time.Time, err error) {
	if len(chain) == 0 {
		return until, errors.New("no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	paths, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return until, err
	}
	for _, path := range paths {
		end := path[0].NotAfter
		for _, c := range path {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(until) {
			until = end
		}
	}
	return until, nil
}

// current returns what decides now. It reads the files again if they have
// changed; what cannot be used is reported once a minute and tried again.
func (g *Guard) current() *state {
	if g.files.Due() && g.files.Changed() {
		if err := g.Reload(); err == nil {
			g.cfg.Logger.Info("certificates were read again", "cert", g.cfg.CertFile)
		} else if last, now := g.loadFailed.Load(), time.Now().UnixNano(); now-last > int64(time.Minute) && g.loadFailed.CompareAndSwap(last, now) {
			g.cfg.Logger.Warn("certificates have changed and cannot be used, the old ones stay", "err", err)
		}
	}
	return g.state.Load()
}
