package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// GroupSeriesDefault is how many groups have series of their own: as many as
// a dashboard can show.
const GroupSeriesDefault = 32

// GroupSeriesMax bounds Options.GroupSeries: 8 series each are as much as one
// scrape of a node should bring.
const GroupSeriesMax = 1000

// Options say how a Collector works. The zero value is its default.
type Options struct {
	// GroupSeries is how many groups have series with a label group, at most,
	// 1..1000; 0 means 32 and -1 none. See the package's doc for which.
	GroupSeries int
}

// Collector is a prometheus.Collector of one node.
type Collector struct {
	node        *phxpaxos.Node
	recorder    *Recorder
	groupSeries int
	start       float64
	d           descs
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector makes the metrics of a node, whose Options.Observer is, or
// passes on to, the recorder. The error names the option that is wrong.
func NewCollector(node *phxpaxos.Node, recorder *Recorder, o Options) (*Collector, error) {
	if node == nil || recorder == nil {
		return nil, errors.New("metrics: node and recorder must be set")
	}
	if o.GroupSeries < -1 || o.GroupSeries > GroupSeriesMax {
		return nil, fmt.Errorf("metrics: GroupSeries is %d, must be in -1..%d", o.GroupSeries, GroupSeriesMax)
	}
	if o.GroupSeries == 0 {
		o.GroupSeries = GroupSeriesDefault
	}
	c := &Collector{node: node, recorder: recorder, groupSeries: max(o.GroupSeries, 0)}
	c.start = float64(time.Now().Add(-node.Status().Uptime).UnixMilli()) / 1e3
	c.d = newDescs(prometheus.Labels{"node": node.MyNodeID().String()})
	return c, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.d.all() {
		to <- d
	}
}

// Collect implements prometheus.Collector. It takes time in proportion to the
// number of groups: 10 000 take some milliseconds.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.collectEvents(to)
	c.collectSums(to)
	c.collectDurations(to)
	c.collectNode(to)
	c.collectGroups(to)
}

func counter(to chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c *Collector) collectEvents(to chan<- prometheus.Metric) {
	for k := event.None + 1; int(k) < event.Kinds; k++ {
		counter(to, c.d.events, c.recorder.Count(c.node, k), k.String())
	}
	counter(to, c.d.proposals, c.node.Count(event.CommitOK)+c.recorder.Batched())
	for i, r := range reasons {
		counter(to, c.d.failed, c.recorder.failed[i].Load(), r.name)
	}
}

func (c *Collector) collectSums(to chan<- prometheus.Metric) {
	r := c.recorder
	counter(to, c.d.sent, r.sum(sentTCP), "tcp")
	counter(to, c.d.sent, r.sum(sentUDP), "udp")
	counter(to, c.d.received, r.sum(receivedTCP), "tcp")
	counter(to, c.d.received, r.sum(receivedUDP), "udp")
	counter(to, c.d.diskBytes, r.sum(diskBytes))
	counter(to, c.d.proposedBytes, r.sum(proposedBytes))
	counter(to, c.d.taughtBytes, r.sum(learnedBytes))
}

func (c *Collector) collectDurations(to chan<- prometheus.Metric) {
	for i, d := range c.d.durations {
		s := c.recorder.durations[i].Snapshot()
		to <- prometheus.MustNewConstHistogram(d, s.Total, s.Seconds, s.octaveCounts())
	}
	counts, total := map[float64]uint64{}, uint64(0)
	for i := range c.recorder.batch {
		total += c.recorder.batch[i].Load()
		counts[float64(uint64(2)<<i)] = total
	}
	to <- prometheus.MustNewConstHistogram(c.d.batch, total, float64(c.recorder.batched.Load()), counts)
}

func (c *Collector) collectNode(to chan<- prometheus.Metric) {
	s := c.node.Status()
	gauge(to, c.d.start, c.start)
	gauge(to, c.d.diskQueue, float64(s.DiskQueue))
	gauge(to, c.d.diskBusy, s.DiskBusy.Seconds())
	for _, p := range s.Peers {
		if p.Heard {
			gauge(to, c.d.peerSilence, p.Ago.Seconds(), p.Node.String())
		}
	}
}

// collectGroups adds the groups up and gives some of them series.
func (c *Collector) collectGroups(to chan<- prometheus.Metric) {
	totals := Totals{Groups: c.node.Groups()}
	all := make([]phxpaxos.GroupStatus, 0, totals.Groups)
	for i := range totals.Groups {
		if s, err := c.node.GroupStatus(i); err == nil {
			totals.Add(&s)
			all = append(all, s)
		}
	}
	gauge(to, c.d.groups, float64(totals.Groups))
	gauge(to, c.d.stopped, float64(totals.Stopped))
	gauge(to, c.d.led, float64(totals.Led))
	gauge(to, c.d.masterless, float64(totals.Masterless))
	gauge(to, c.d.lagging, float64(totals.Lagging))
	gauge(to, c.d.lagMax, float64(totals.LagMax))
	gauge(to, c.d.working, float64(totals.Proposals))
	gauge(to, c.d.waiting, float64(totals.Waiting))
	gauge(to, c.d.packets, float64(totals.Packets))
	for _, s := range choose(all, c.groupSeries) {
		c.collectGroup(to, &s)
	}
}

func (c *Collector) collectGroup(to chan<- prometheus.Metric, s *phxpaxos.GroupStatus) {
	group := fmt.Sprint(s.Group)
	gauge(to, c.d.groupInstance, float64(s.Instance), group)
	gauge(to, c.d.groupLag, float64(s.Highest-s.Instance), group)
	gauge(to, c.d.groupMinChosen, float64(s.MinChosen), group)
	gauge(to, c.d.groupMaster, truth(s.IsMaster), group)
	gauge(to, c.d.groupLease, s.LeaseLeft.Seconds(), group)
	gauge(to, c.d.groupStopped, truth(s.Err != nil), group)
	gauge(to, c.d.groupMembers, float64(len(s.Members)), group)
	gauge(to, c.d.groupWaiting, float64(s.Waiting+s.Proposals), group)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// choose picks the groups with series: all, or the worst most of those that
// need attention.
func choose(all []phxpaxos.GroupStatus, most int) []phxpaxos.GroupStatus {
	if len(all) <= most {
		return all
	}
	bad := slices.DeleteFunc(all, func(s phxpaxos.GroupStatus) bool { return s.Err == nil && s.Highest == s.Instance })
	slices.SortStableFunc(bad, func(a, b phxpaxos.GroupStatus) int {
		return cmp.Or(-cmp.Compare(truth(a.Err != nil), truth(b.Err != nil)), -cmp.Compare(a.Highest-a.Instance, b.Highest-b.Instance))
	})
	return bad[:min(len(bad), most)]
}

// Totals are the groups of a node added up.
type Totals struct {
	Groups     int    `json:"groups"`
	Stopped    int    `json:"stopped"`    // have stopped
	Led        int    `json:"led"`        // this node is master of
	Masterless int    `json:"masterless"` // once had a master and have none
	Lagging    int    `json:"lagging"`    // are behind another node
	LagMax     uint64 `json:"lagMax"`     // instances of the one that is furthest behind
	Proposals  int    `json:"proposals"`  // being worked at
	Waiting    int    `json:"waiting"`    // callers that wait
	Packets    int    `json:"packets"`    // packets that wait
}

// Add adds one group, which Groups counts already.
func (t *Totals) Add(s *phxpaxos.GroupStatus) {
	switch {
	case s.Err != nil:
		t.Stopped++
	case s.Master == 0 && s.MasterVersion != phxpaxos.NoVersion:
		t.Masterless++
	}
	if s.IsMaster {
		t.Led++
	}
	if lag := s.Highest - s.Instance; lag > 0 && s.Err == nil {
		t.Lagging++
		t.LagMax = max(t.LagMax, lag)
	}
	t.Proposals += s.Proposals
	t.Waiting += s.Waiting
	t.Packets += s.Packets
}
