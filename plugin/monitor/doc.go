// Package monitor shows what a node does: Prometheus metrics, health, JSON,
// profiles, and a live page that shows the whole cluster. The package is
// promised to users.
//
//	m, err := monitor.New(monitor.Options{
//		Addr:  "127.0.0.1:8080",
//		Peers: []string{"10.0.0.2:8080", "10.0.0.3:8080"},
//	})
//	…
//	defer m.Close()
//	node, err := phxpaxos.Run(phxpaxos.Options{…, Observer: m.Observer()})
//	…
//	m.Watch(node)
//
// A Monitor listens from New on, so that one can see a node replay its log,
// and shows the node from Watch on. Programs with command lines take the two
// options from Flags.
//
// # What is served
//
//	/               the page; it needs nothing from elsewhere
//	/events         what the page shows, as server-sent events
//	/metrics        Prometheus metrics, see package metrics
//	/api/status     the node as JSON, see package report; ?groups=1 with its
//	                groups, ?since=N with the samples from number N on
//	/api/group      ?group=N: one group as every node of the cluster sees it
//	/healthz        200 as long as the process serves
//	/readyz         200 if this node can serve, else 503; says why
//	/debug/pprof/   profiles, with Options.Pprof only
//
// # Security
//
// Everything is read-only, and nothing is protected: whoever reaches the
// address sees members, addresses and error texts. So the monitor listens
// where it is told and nowhere else, an address without a host is refused,
// and no other site may read it (no CORS). To put it behind TLS or a login,
// leave Addr empty and mount Handler.
//
// # Cost
//
// The hot path costs a look into a table for most events and two atomic
// additions for some. Peers are asked only while somebody looks at the page.
//
// Sub-packages: metrics (recorder and collector), report (the JSON), hooks
// (a method for each of the original's breakpoints), page (the page), grafana
// (dashboard and alert rules), pagetest (the page in a browser).
package monitor
