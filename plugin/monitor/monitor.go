package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// Monitor watches one node. All methods are safe for concurrent use. A nil
// *Monitor watches nothing: its methods may be called and do nothing, so that
// a program whose monitor is optional needs no cases.
type Monitor struct {
	opts     Options
	recorder metrics.Recorder
	replay   atomic.Pointer[report.Replay]
	watched  atomic.Pointer[watched]
	registry *prometheus.Registry
	began    time.Time

	handler  http.Handler
	listener net.Listener // nil if there is none
	server   *http.Server
	cluster  *cluster

	closing atomic.Bool
	stop    context.CancelFunc
	mu      sync.Mutex // so that Watch starts nothing behind Close
	work    sync.WaitGroup
}

// watched is the node, once it runs.
type watched struct {
	node    *phxpaxos.Node
	sampler *report.Sampler
}

// New starts a monitor: it listens, if Options.Addr is set, and can be asked
// at once. The error names the option that is wrong, or says why the address
// cannot be had.
func New(opts Options) (*Monitor, error) {
	o, err := opts.validate()
	if err != nil {
		return nil, err
	}
	m := &Monitor{opts: o, registry: o.Registry, began: time.Now()}
	if m.registry == nil {
		m.registry = prometheus.NewRegistry()
		m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.cluster = newCluster(m)
	m.handler = m.routes()
	if o.Addr != "" {
		if m.listener, err = net.Listen("tcp", o.Addr); err != nil {
			stop()
			return nil, fmt.Errorf("monitor: %w; choose another address", err)
		}
	}
	m.work.Go(func() { m.cluster.run(ctx) })
	if m.listener != nil {
		m.serve()
	}
	return m, nil
}

// serve begins to answer.
func (m *Monitor) serve() {
	m.server = &http.Server{
		Handler:           m.handler,
		ReadHeaderTimeout: 5 * time.Second, // nobody holds a connection open by speaking slowly
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	m.work.Go(func() {
		err := m.server.Serve(limitListener(m.listener, connectionsMax))
		if !errors.Is(err, http.ErrServerClosed) && m.opts.Logger != nil {
			m.opts.Logger.Error("monitor does not serve any more", "err", err)
		}
	})
}

// Addr is where the monitor listens, "" if it does not.
func (m *Monitor) Addr() string {
	if m == nil || m.listener == nil {
		return ""
	}
	return m.listener.Addr().String()
}

// Handler is what the monitor serves, for a server of your own. Its paths
// begin at /.
func (m *Monitor) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return m.handler
}

// Observer is for Options.Observer of the node; nil if m is.
func (m *Monitor) Observer() event.Observer {
	if m == nil {
		return nil
	}
	return observer{m}
}

// observer keeps Observe out of the Monitor's own methods.
type observer struct{ m *Monitor }

// Observe implements event.Observer.
func (o observer) Observe(e event.Event) {
	o.m.recorder.Observe(e)
	if e.Kind == event.Replay {
		o.m.replay.Store(&report.Replay{Group: e.Group, Left: e.Number, Of: e.Size})
	}
	if o.m.opts.Next != nil {
		o.m.opts.Next.Observe(e)
	}
}

// Watch tells the monitor which node it is for; its Options.Observer must be,
// or pass on to, Observer. It can be called once.
func (m *Monitor) Watch(node *phxpaxos.Node) error {
	if m == nil {
		return nil
	}
	collector, err := metrics.NewCollector(node, &m.recorder, metrics.Options{GroupSeries: m.opts.GroupSeries})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing.Load() {
		return errors.New("monitor: Watch: the monitor is closed")
	}
	w := &watched{node, report.NewSampler(node, &m.recorder, time.Now())}
	if !m.watched.CompareAndSwap(nil, w) {
		return errors.New("monitor: Watch: it watches a node already")
	}
	if err := m.registry.Register(collector); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	m.work.Go(func() { m.sample(w) })
	return nil
}

// sample is a goroutine that takes samples until Close.
func (m *Monitor) sample(w *watched) {
	tick := time.NewTicker(report.SampleEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			w.sampler.Take(now)
		case <-m.cluster.ended:
			return
		}
	}
}

// report is the node as it is now.
func (m *Monitor) report(now time.Time, since uint64, groups bool) *report.Node {
	if w := m.watched.Load(); w != nil {
		n := w.sampler.Report(now, since, groups)
		if m.closing.Load() || errors.Is(w.node.GroupError(0), phxpaxos.ErrClosed) {
			n.State = report.Closing
		}
		return n
	}
	return &report.Node{
		State: report.Starting, Time: now.UnixMilli(), Uptime: now.Sub(m.began).Seconds(),
		Replay: m.replay.Load(), Peers: []report.Peer{}, Samples: []report.Sample{},
	}
}

// Close ends everything that the monitor runs, and the connections of those
// who look. It does not close the node; close that first or behind, as you
// like. A second Close does nothing.
func (m *Monitor) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	first := m.closing.CompareAndSwap(false, true)
	m.mu.Unlock()
	if !first {
		return nil
	}
	m.stop()
	var err error
	if m.server != nil {
		err = m.server.Close()
	}
	m.work.Wait()
	m.opts.Client.CloseIdleConnections()
	return err
}
