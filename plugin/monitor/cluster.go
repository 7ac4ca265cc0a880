package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

const (
	// viewersMax is how many pages are served at once: more people than look
	// at one cluster, and each costs the node some work every half second.
	viewersMax = 16
	// viewerQueue is how many messages wait for a viewer before it is dropped
	// as too slow; its browser comes back by itself.
	viewerQueue = 64
	// viewEvery is how often viewers are told something.
	viewEvery = 500 * time.Millisecond
)

// cluster puts together what the page shows: this node's reports and those of
// its peers, which are asked only while there are viewers. One goroutine, run,
// owns everything but the channels.
type cluster struct {
	m     *Monitor
	ended chan struct{} // closed when run has ended
	join  chan *viewer
	leave chan *viewer
	news  chan news
	calls chan func()

	sources []*source // this node first, then Options.Peers
	viewers map[*viewer]bool
	rows    []row
	version uint64 // of rows, counts up
	rowsAt  time.Time
	quiet   context.CancelFunc // stops asking the peers; nil while nobody looks
	round   int                // how often asking has begun
}

// viewer is one page that is open.
type viewer struct {
	queue chan []byte // closed when the viewer is dropped
	err   chan error  // capacity 1: why it was not let in, or nil
}

// source is one node of the cluster, as the page knows it.
type source struct {
	addr    string // of its monitor
	self    bool
	last    *report.Node // the last report without samples and groups; nil before the first
	at      time.Time    // when that came
	asked   bool         // there was an answer or a failure
	err     error        // of the last question
	samples []report.Sample
	fresh   int // samples at the end that the viewers have not seen
	groups  []report.Group
}

func newCluster(m *Monitor) *cluster {
	c := &cluster{
		m: m, ended: make(chan struct{}), join: make(chan *viewer), leave: make(chan *viewer),
		news: make(chan news), calls: make(chan func()), viewers: map[*viewer]bool{},
	}
	c.sources = append(c.sources, &source{self: true})
	for _, p := range m.opts.Peers {
		c.sources = append(c.sources, &source{addr: p})
	}
	return c
}

// ownID is the name of the watched node, "" before there is one. It is safe
// for concurrent use.
func (c *cluster) ownID() string {
	if w := c.m.watched.Load(); w != nil {
		return w.node.MyNodeID().String()
	}
	return ""
}

// run is the goroutine.
func (c *cluster) run(ctx context.Context) {
	defer close(c.ended)
	defer func() {
		for v := range c.viewers {
			close(v.queue)
		}
	}()
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	for {
		select {
		case v := <-c.join:
			c.admit(ctx, v)
		case v := <-c.leave:
			c.drop(v)
		case n := <-c.news:
			if n.round == c.round {
				c.answered(c.sources[n.source], n)
			}
		case call := <-c.calls:
			call()
		case now := <-tick.C:
			if len(c.viewers) > 0 {
				c.tick(now)
			}
		case <-ctx.Done():
			return
		}
	}
}

// admit lets a viewer in and tells it everything.
func (c *cluster) admit(ctx context.Context, v *viewer) {
	if len(c.viewers) >= viewersMax {
		v.err <- fmt.Errorf("%d pages are open already", viewersMax)
		return
	}
	if c.quiet == nil {
		inner, quiet := context.WithCancel(ctx)
		c.quiet = quiet
		c.round++
		round := c.round
		for i, s := range c.sources[1:] {
			s.reset()
			c.m.work.Go(func() { c.ask(inner, news{source: i + 1, round: round}, s.addr) })
		}
		c.sources[0].reset()
		c.look(time.Now())
	}
	c.viewers[v] = true
	v.err <- nil
	c.send(v, "hello", c.view(time.Now(), true))
	c.send(v, "groups", c.rowsMessage(0))
}

// drop forgets a viewer. When the last one has gone the peers are left alone.
func (c *cluster) drop(v *viewer) {
	if !c.viewers[v] {
		return
	}
	delete(c.viewers, v)
	close(v.queue)
	if len(c.viewers) == 0 && c.quiet != nil {
		c.quiet()
		c.quiet = nil
	}
}

// look takes this node's own report, and puts the groups together if it is
// time to.
func (c *cluster) look(now time.Time) (groups bool) {
	self := c.sources[0]
	groups = now.Sub(c.rowsAt) >= c.groupsEvery()
	self.take(news{at: now, report: c.m.report(now, self.nextSample(), groups)})
	if groups {
		c.rowsAt = now
		c.version++
		c.merge(now)
	}
	return groups
}

// answered takes a peer's answer. Its first groups are shown at once.
func (c *cluster) answered(s *source, n news) {
	before := len(s.groups)
	s.take(n)
	if before == 0 && len(s.groups) > 0 {
		c.rowsAt = time.Time{}
	}
}

// groupsEvery spreads the work of a source's groups: 10 000 are read and sent
// every 10 s.
func (c *cluster) groupsEvery() time.Duration {
	groups := 0
	if w := c.m.watched.Load(); w != nil {
		groups = w.node.Groups()
	}
	return max(groupsEvery, time.Duration(groups)*time.Millisecond)
}

// tick tells the viewers what is new.
func (c *cluster) tick(now time.Time) {
	before := c.version
	groups := c.look(now)
	c.broadcast("tick", c.view(now, false))
	if groups {
		c.broadcast("groups", c.rowsMessage(before))
	}
	for _, s := range c.sources {
		s.fresh = 0
	}
}

func (c *cluster) broadcast(name string, v any) {
	message := encode(name, v)
	for v := range c.viewers {
		c.push(v, message)
	}
}

func (c *cluster) send(v *viewer, name string, data any) { c.push(v, encode(name, data)) }

func (c *cluster) push(v *viewer, message []byte) {
	select {
	case v.queue <- message:
	default:
		c.drop(v)
	}
}

// encode makes one server-sent event. JSON has no line breaks outside of
// strings, and escapes those within.
func encode(name string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // no value of ours can fail
		data = []byte("null")
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, data)
}

// reset forgets what was known before the peers were left alone: a gap in the
// samples would not show.
func (s *source) reset() { *s = source{addr: s.addr, self: s.self} }

// nextSample is the sequence number to ask for; of this node alone.
func (s *source) nextSample() uint64 {
	if s.last == nil {
		return 0
	}
	return s.last.First
}

// clockSkew is how far a peer's clock may be off before its samples are moved
// to where they belong on the page.
const clockSkew = 2 * time.Second

// take takes an answer.
func (s *source) take(n news) {
	s.asked, s.err = true, n.err
	if n.err != nil {
		return
	}
	r := n.report
	if s.last != nil && s.last.Node != "" && r.Node != "" && s.last.Node != r.Node {
		s.reset() // another node has taken the place
		s.asked = true
	}
	skew := n.at.Sub(time.UnixMilli(r.Time))
	for _, v := range r.Samples {
		if skew.Abs() > clockSkew {
			v[report.SampleTime] += float64(skew.Milliseconds())
		}
		// Both lives of a node that was started again are shown.
		if k := len(s.samples); k > 0 && v[report.SampleTime] <= s.samples[k-1][report.SampleTime] {
			continue
		}
		s.samples = append(s.samples, v)
		s.fresh++
	}
	if extra := len(s.samples) - report.SamplesMax; extra > 0 {
		s.samples = append(s.samples[:0], s.samples[extra:]...)
	}
	s.fresh = min(s.fresh, len(s.samples))
	if r.Groups != nil || r.State != report.Running {
		s.groups = r.Groups
	}
	kept := *r
	kept.First, kept.Samples, kept.Groups = r.First+uint64(len(r.Samples)), nil, nil
	s.last, s.at = &kept, n.at
}

// down reports whether a peer does not answer any more.
func (s *source) down(now time.Time) bool {
	return !s.self && s.err != nil && now.Sub(s.at) > downAfter
}

// errClosed: the monitor was closed while somebody asked.
var errClosed = errors.New("monitor is closed")

// do runs a call on the goroutine of the cluster.
func (c *cluster) do(ctx context.Context, call func()) error {
	done := make(chan struct{})
	select {
	case c.calls <- func() { call(); close(done) }:
		<-done
		return nil
	case <-c.ended:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
