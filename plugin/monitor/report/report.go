package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
)

// The states of a node.
const (
	Starting = "starting" // Run has not returned; Replay says how far it is
	Running  = "running"
	Closing  = "closing"
)

// Node is the state of one node.
type Node struct {
	Node   string  `json:"node"`   // its id, "" while it is starting
	State  string  `json:"state"`  // Starting, Running or Closing
	Time   int64   `json:"time"`   // milliseconds since 1970, at this node
	Uptime float64 `json:"uptime"` // seconds

	Replay *Replay        `json:"replay,omitempty"`
	Totals metrics.Totals `json:"totals"`
	Disk   Disk           `json:"disk"`
	Peers  []Peer         `json:"peers"`
	Events Events         `json:"events"`

	// Samples are those with a sequence number of at least First; First+i is
	// the number of Samples[i].
	First   uint64   `json:"first"`
	Samples []Sample `json:"samples"`

	Groups []Group `json:"groups,omitempty"` // only if asked for
}

// Replay is how far a node that starts has executed its log again.
type Replay struct {
	Group int    `json:"group"` // the one that last told
	Left  uint64 `json:"left"`  // its instances that remain
	Of    int    `json:"of"`
}

// Disk is the disk goroutine.
type Disk struct {
	Queue int     `json:"queue"` // records that wait
	Took  float64 `json:"took"`  // seconds, of the last write with its sync
	Busy  float64 `json:"busy"`  // seconds since the running write began, 0 if none runs
}

// Peer is another node as this one sees it.
type Peer struct {
	Node    string  `json:"node"`
	Heard   bool    `json:"heard"`
	Silence float64 `json:"silence"` // seconds since it was heard
}

// Events are counts since the node started, as /metrics has them.
type Events struct {
	Proposals uint64 `json:"proposals"` // that succeeded
	Failed    uint64 `json:"failed"`
	Retries   uint64 `json:"retries"`
	Errors    uint64 `json:"errors"`
}

// Group is one group on one node.
type Group struct {
	Group     int      `json:"group"`
	Instance  uint64   `json:"instance"`
	Highest   uint64   `json:"highest"`
	MinChosen uint64   `json:"minChosen"`
	Master    string   `json:"master,omitempty"`
	IsMaster  bool     `json:"isMaster,omitempty"`
	Version   *uint64  `json:"version,omitempty"` // of the mastership, if there was an election
	LeaseLeft float64  `json:"leaseLeft,omitempty"`
	Members   []string `json:"members,omitempty"`
	Proposals int      `json:"proposals,omitempty"`
	Waiting   int      `json:"waiting,omitempty"`
	Packets   int      `json:"packets,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// errorMax is how much of a text is passed on: enough for every error of
// ours, and a page with 1 000 of them stays small.
const errorMax = 300

// OfGroup turns the status of a group into its report.
func OfGroup(s *phxpaxos.GroupStatus) Group {
	g := Group{
		Group: s.Group, Instance: s.Instance, Highest: s.Highest, MinChosen: s.MinChosen,
		IsMaster: s.IsMaster, LeaseLeft: s.LeaseLeft.Seconds(),
		Proposals: s.Proposals, Waiting: s.Waiting, Packets: s.Packets,
	}
	if s.Master != nodeid.None {
		g.Master = s.Master.String()
	}
	if v := s.MasterVersion; v != phxpaxos.NoVersion {
		g.Version = &v
	}
	for _, id := range s.Members {
		g.Members = append(g.Members, id.String())
	}
	if s.Err != nil {
		g.Error = s.Err.Error()
		if len(g.Error) > errorMax {
			g.Error = g.Error[:errorMax] + "…"
		}
	}
	return g
}

// Limits of what is taken from another node's monitor.
const (
	bytesMax = 64 << 20 // a report with 100 000 groups is about half of it
	peersMax = 1024     // a node remembers 256, and names its members
)

// Read reads a report that another monitor sent. What it returns may be shown
// or added up, but is only as true as its sender: nothing in it is beyond the
// limits, and no number is one that JSON cannot hold.
func Read(r io.Reader) (*Node, error) {
	limited := &io.LimitedReader{R: r, N: bytesMax + 1}
	n := &Node{}
	if err := json.NewDecoder(limited).Decode(n); err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("report: more than %d bytes", bytesMax)
		}
		return nil, fmt.Errorf("report: %w", err)
	}
	return n, n.check()
}

func (n *Node) check() error {
	switch {
	case n.State != Starting && n.State != Running && n.State != Closing:
		return fmt.Errorf("report: unknown state %.40q", n.State)
	case n.State == Running && n.Node == "":
		return errors.New("report: a node that runs has to say which one it is")
	case len(n.Node) > nameMax:
		return fmt.Errorf("report: name of %d bytes, at most %d", len(n.Node), nameMax)
	case len(n.Peers) > peersMax:
		return fmt.Errorf("report: %d peers, at most %d", len(n.Peers), peersMax)
	case len(n.Samples) > SamplesMax:
		return fmt.Errorf("report: %d samples, at most %d", len(n.Samples), SamplesMax)
	case len(n.Groups) > phxpaxos.GroupsMax:
		return fmt.Errorf("report: %d groups, at most %d", len(n.Groups), phxpaxos.GroupsMax)
	}
	for i := range n.Groups {
		if g := n.Groups[i].Group; g != i {
			return fmt.Errorf("report: group %d stands at place %d", g, i)
		}
	}
	return nil
}

// nameMax is longer than any name of a node.
const nameMax = 255
