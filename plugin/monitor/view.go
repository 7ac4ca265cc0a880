package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// The states of a node on the page, besides report's.
const (
	stateDown    = "down"    // its monitor does not answer
	stateUnknown = "unknown" // it was not asked yet
)

// view is what the page shows but for the groups.
type view struct {
	Time  int64      `json:"time"` // milliseconds since 1970
	Nodes []nodeView `json:"nodes"`
}

// nodeView is one node on the page.
type nodeView struct {
	*report.Node                 // the last report; its samples are below
	State        string          `json:"state"`
	Addr         string          `json:"addr"` // of its monitor, "" for this one
	Self         bool            `json:"self"`
	Since        float64         `json:"sinceReport"` // seconds since the report
	Error        string          `json:"error,omitempty"`
	Samples      []report.Sample `json:"samples"` // those that are new, or all
}

// view puts the nodes together, with all samples or with the new ones.
func (c *cluster) view(now time.Time, all bool) view {
	v := view{Time: now.UnixMilli()}
	for _, s := range c.shown() {
		v.Nodes = append(v.Nodes, s.view(now, all))
	}
	return v
}

// shown are the sources but for this node in the list of peers, which may be
// the same for all nodes.
func (c *cluster) shown() []*source {
	own := c.ownID()
	list := make([]*source, 0, len(c.sources))
	for i, s := range c.sources {
		if i > 0 && s.last != nil && own != "" && s.last.Node == own {
			continue
		}
		list = append(list, s)
	}
	return list
}

func (s *source) view(now time.Time, all bool) nodeView {
	n := nodeView{Node: s.last, Addr: s.addr, Self: s.self, State: stateUnknown}
	if n.Node == nil {
		n.Node = &report.Node{Peers: []report.Peer{}}
	} else {
		n.State, n.Since = s.last.State, now.Sub(s.at).Seconds()
	}
	if s.down(now) {
		n.State, n.Error = stateDown, s.err.Error()
	}
	n.Samples = s.samples
	if !all {
		n.Samples = s.samples[len(s.samples)-s.fresh:]
	}
	if n.Samples == nil {
		n.Samples = []report.Sample{}
	}
	return n
}

// row is one group of the cluster: what all nodes say of it in one line.
type row struct {
	data     json.RawMessage
	version  uint64  // of the merge that changed it last
	leaseEnd float64 // as it was sent
}

// leaseJitter is by how much the end of a lease may move from report to report
// without being a renewal.
const leaseJitter = 400 * time.Millisecond

// merge makes the rows from the groups of all nodes that answer.
func (c *cluster) merge(now time.Time) {
	count, sources := 0, c.shown()
	for _, s := range sources {
		count = max(count, len(s.groups))
	}
	if count < len(c.rows) {
		c.rows = c.rows[:count]
	}
	for len(c.rows) < count {
		c.rows = append(c.rows, row{})
	}
	for i := range c.rows {
		r := &c.rows[i]
		data := r.merge(i, sources, now)
		if !bytes.Equal(data, r.data) {
			r.data, r.version = data, c.version
		}
	}
}

// merge makes one row. Its columns are known to page.js: group, instance,
// lag, master, end of the lease, proposals, packets, start of the log,
// members, nodes that answer, nodes on which it has stopped, error.
func (r *row) merge(index int, sources []*source, now time.Time) []byte {
	var instance, lag, start uint64
	var proposals, packets, members, answers, stopped int
	var master, text string
	var version uint64
	end := 0.0
	for _, s := range sources {
		if index >= len(s.groups) || s.down(now) {
			continue
		}
		g := &s.groups[index]
		answers++
		instance, start = max(instance, g.Instance), max(start, g.MinChosen)
		members = max(members, len(g.Members))
		proposals += g.Proposals + g.Waiting
		packets += g.Packets
		if g.Error != "" {
			stopped++
			text = g.Error
			continue
		}
		if g.Highest > g.Instance {
			lag = max(lag, g.Highest-g.Instance)
		}
		// The newest election counts; of the nodes that know it the master,
		// whose own count is the shortest.
		if g.Master != "" && g.Version != nil && (master == "" || *g.Version > version || *g.Version == version && g.IsMaster) {
			master, version = g.Master, *g.Version
			end = float64(s.at.UnixMilli()) + g.LeaseLeft*1e3
		}
	}
	if math.Abs(end-r.leaseEnd) < float64(leaseJitter.Milliseconds()) {
		end = r.leaseEnd
	}
	r.leaseEnd = end
	data, err := json.Marshal([]any{index, instance, lag, master, int64(end), proposals, packets, start, members, answers, stopped, text})
	if err != nil { // no value of ours can fail
		return nil
	}
	return data
}

// rowsView tells of rows that changed.
type rowsView struct {
	Total int               `json:"total"`
	Rows  []json.RawMessage `json:"rows"`
}

// rowsMessage are the rows that changed behind a version; 0 is before all.
func (c *cluster) rowsMessage(behind uint64) rowsView {
	v := rowsView{Total: len(c.rows), Rows: []json.RawMessage{}}
	for i := range c.rows {
		if c.rows[i].version > behind {
			v.Rows = append(v.Rows, c.rows[i].data)
		}
	}
	return v
}

// groupDetail is one group as every node sees it.
type groupDetail struct {
	Group int         `json:"group"`
	Nodes []groupView `json:"nodes"`
}

type groupView struct {
	Node  string        `json:"node"`
	State string        `json:"state"`
	Group *report.Group `json:"status"` // null if that node did not say
}

// detail is what is known of one group. It fails if no node has it.
func (c *cluster) detail(ctx context.Context, index int) (groupDetail, error) {
	d := groupDetail{Group: index, Nodes: []groupView{}}
	found := false
	err := c.do(ctx, func() {
		now := time.Now()
		c.sources[0].take(news{at: now, report: c.m.report(now, report.NoSamples, true)})
		for _, s := range c.shown() {
			v := s.view(now, false)
			g := groupView{Node: v.Node.Node, State: v.State}
			if g.Node == "" {
				g.Node = s.addr
			}
			if index < len(s.groups) {
				copied := s.groups[index]
				g.Group, found = &copied, true
			}
			d.Nodes = append(d.Nodes, g)
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no group %d", index)
	}
	return d, err
}
