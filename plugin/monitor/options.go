package monitor

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

const (
	// peersMax bounds Options.Peers: each is asked twice a second by every
	// monitor whose page is open, and the page has a card for each.
	peersMax = 64
	// readyLagDefault is a second or so of a busy group.
	readyLagDefault = 1000
)

// Options say what a Monitor does. The zero value of every field is its
// default.
type Options struct {
	// Addr is host:port to listen at; port 0 takes a free one. All addresses
	// of the machine are 0.0.0.0:port or [::]:port. With "" the monitor does
	// not listen; mount Handler then.
	Addr string
	// Peers are the monitors of the other nodes, host:port or
	// http[s]://host:port; at most 64. The list may hold this one as well, so
	// that it can be the same for all nodes.
	Peers []string
	// Client asks the peers; nil means one without proxies, cookies and
	// redirects. It is where TLS certificates for https peers go.
	Client *http.Client
	// Pprof serves /debug/pprof/. A profile slows the node down while it is
	// taken and shows its memory.
	Pprof bool
	// GroupSeries is metrics.Options.GroupSeries.
	GroupSeries int
	// Registry takes the node's metrics and is what /metrics serves; nil means
	// one of the monitor's own, with the Go runtime and the process in it.
	Registry *prometheus.Registry
	// ReadyLagMax is how many instances a group may be behind while the node
	// counts as ready; 0 means 1000.
	ReadyLagMax uint64
	// Next is told of every event as well.
	Next event.Observer
	// Logger gets a line when the server fails; nil means no lines.
	Logger *slog.Logger
}

func badOption(field string, value any, rule string) error {
	return fmt.Errorf("monitor: Options.%s is %v: %s", field, value, rule)
}

// validate checks the options and fills in defaults. The peers become URLs.
func (o Options) validate() (Options, error) {
	if o.Addr != "" {
		host, _, err := net.SplitHostPort(o.Addr)
		switch {
		case err != nil:
			return o, badOption("Addr", o.Addr, "must be host:port, as 127.0.0.1:8080")
		case host == "":
			return o, badOption("Addr", o.Addr, "must name a host: 127.0.0.1 for this machine only, 0.0.0.0 for whoever can reach it")
		}
	}
	if len(o.Peers) > peersMax {
		return o, badOption("Peers", fmt.Sprintf("%d addresses", len(o.Peers)), fmt.Sprintf("at most %d", peersMax))
	}
	peers := make([]string, 0, len(o.Peers))
	for _, p := range o.Peers {
		u, err := peerURL(p)
		if err != nil {
			return o, badOption("Peers", fmt.Sprintf("%q", p), err.Error())
		}
		peers = append(peers, u)
	}
	o.Peers = peers
	if o.Client == nil {
		o.Client = &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.ReadyLagMax == 0 {
		o.ReadyLagMax = readyLagDefault
	}
	return o, nil
}

// peerURL makes a URL without a path of what names a peer.
func peerURL(peer string) (string, error) {
	const rule = "must be host:port or http[s]://host:port"
	if !strings.Contains(peer, "://") {
		peer = "http://" + peer
	}
	u, err := url.Parse(peer)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf(rule)
	}
	if port := u.Port(); port == "0" {
		return "", fmt.Errorf("its port is 0, and must be the one that the other monitor listens at")
	}
	return u.Scheme + "://" + u.Host, nil
}
