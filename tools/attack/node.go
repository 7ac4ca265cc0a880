package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// childEnv is set in the processes of nodes.
const childEnv = "PHXPAXOS_ATTACK_CHILD"

const (
	groups    = 2
	machineID = sm.ID(7)
	// lease is shorter than what forged offers state, and so long that a busy
	// machine does not let it run out, which would change the master.
	lease = 40 * time.Second
)

// forgedMark begins each value that only the attacker proposes.
const forgedMark = "forged "

// setup is the first line that the process of a node reads.
type setup struct {
	Me         string // address, as are Nodes
	Nodes      []string
	Dir        string
	Membership bool
	FirstStart bool
	Refuse     bool   // SourceCheck
	Secret     string // if set, required
	CertFile   string // if set, with the two that follow, TLS
	KeyFile    string
	CAFile     string
	Names      map[string]string // address of a node -> its name in certificates
}

// request asks the process of a node for one thing: its state, and before that
// to propose a value if there is one.
type request struct {
	Propose string
	Group   int
}

// state is what a node says of itself.
type state struct {
	Failed  string // why the request cannot be answered, or the node not run
	Cluster string
	Ready   bool
	Why     string // why it is not ready
	Counts  map[string]uint64
	Groups  [groups]groupState
}

// groupState is how one group of a node is doing.
type groupState struct {
	Instance  uint64
	Highest   uint64
	Master    string
	LeaseLeft time.Duration
	Members   int
	Values    int    // executed in this life, those of the log included
	Digest    string // of these values in their order
	Forged    int    // how many of them nobody but the attacker proposed
	Err       string
}

// childMain is the program inside the process of a node. It ends when its input
// does.
func childMain() int {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var set setup
	err := in.Decode(&set)
	if err == nil {
		err = runNode(set, in, out)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "attack:", err)
		_ = out.Encode(state{Failed: err.Error()}) // the parent sees the end in any case
		return 1
	}
	return 0
}

// process is a node and what it executes.
type process struct {
	node    *phxpaxos.Node
	monitor *monitor.Monitor
	history *history
}

func runNode(set setup, in *json.Decoder, out *json.Encoder) error {
	p := &process{history: &history{}}
	var err error
	if p.monitor, err = monitor.New(monitor.Options{ReadyLagMax: 10}); err != nil {
		return err
	}
	o, err := p.options(set)
	if err != nil {
		return err
	}
	if p.node, err = phxpaxos.Run(o); err != nil {
		return err
	}
	defer p.node.Close()
	if err := p.monitor.Watch(p.node); err != nil {
		return err
	}
	for {
		if err := out.Encode(p.state()); err != nil {
			return err
		}
		var q request
		if err := in.Decode(&q); err != nil {
			return err
		}
		if q.Propose == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := p.node.Propose(ctx, q.Group, machineID, []byte(q.Propose))
		cancel()
		if err != nil {
			return fmt.Errorf("propose %q in group %d: %w", q.Propose, q.Group, err)
		}
	}
}

func (p *process) options(set setup) (phxpaxos.Options, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o := phxpaxos.Options{
		LogStoragePath: set.Dir, UseMembership: set.Membership, FirstStart: set.FirstStart, GroupCount: groups,
		StateMachines: []sm.StateMachine{p.history}, UseMaster: true, MasterLease: lease,
		Observer: p.monitor.Observer(), Logger: log,
	}
	var err error
	if o.MyNode, err = nodeid.Parse(set.Me); err != nil {
		return o, err
	}
	for _, address := range set.Nodes {
		id, err := nodeid.Parse(address)
		if err != nil {
			return o, err
		}
		o.Nodes = append(o.Nodes, id)
	}
	if set.Refuse {
		o.SourceCheck = network.SourceRefuse
	}
	if set.Secret != "" {
		o.ClusterSecret = network.Secret{Key: network.SecretKey(set.Secret), Mode: network.SecretRequire}
	}
	if set.CertFile == "" {
		return o, nil
	}
	names := map[nodeid.ID]string{}
	for address, name := range set.Names {
		id, err := nodeid.Parse(address)
		if err != nil {
			return o, err
		}
		names[id] = name
	}
	guard, err := certs.New(certs.Config{CertFile: set.CertFile, KeyFile: set.KeyFile, CAFile: set.CAFile, Nodes: names, Logger: log})
	if err != nil {
		return o, err
	}
	o.Network, err = tlsnet.New(network.Config{Me: o.MyNode, Logger: log}, guard)
	return o, err
}

// state asks the node for everything that an attack may not change.
func (p *process) state() state {
	s := state{Cluster: p.node.Features().Cluster.String(), Counts: map[string]uint64{}}
	for k := event.Kind(1); int(k) < event.Kinds; k++ {
		if n := p.node.Count(k); n > 0 {
			s.Counts[k.String()] = n
		}
	}
	answer := httptest.NewRecorder()
	p.monitor.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	s.Ready, s.Why = answer.Code == http.StatusOK, answer.Body.String()
	for g := range groups {
		at := &s.Groups[g]
		status, err := p.node.GroupStatus(g)
		if err == nil {
			err = status.Err
		}
		if err != nil {
			at.Err = err.Error()
		}
		at.Instance, at.Highest, at.Members = status.Instance, status.Highest, len(status.Members)
		at.Master, at.LeaseLeft = status.Master.String(), status.LeaseLeft
		at.Values, at.Forged, at.Digest = p.history.of(g)
	}
	return s
}

// history is a state machine in memory: it says what was executed.
type history struct {
	mu     sync.Mutex
	groups [groups]struct {
		values, forged int
		digest         [sha256.Size]byte
	}
}

var _ sm.StateMachine = (*history)(nil)

// ID returns the id that values are proposed under.
func (h *history) ID() sm.ID { return machineID }

// Execute adds a value.
func (h *history) Execute(e sm.Entry) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := &h.groups[e.Group]
	g.values++
	if bytes.HasPrefix(e.Value, []byte(forgedMark)) {
		g.forged++
	}
	g.digest = sha256.Sum256(append(g.digest[:], e.Value...))
	return nil, nil
}

func (h *history) of(group int) (values, forged int, digest string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := &h.groups[group]
	return g.values, g.forged, fmt.Sprintf("%x", g.digest[:8])
}
