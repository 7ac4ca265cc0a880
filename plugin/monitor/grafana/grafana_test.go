package grafana_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/grafana"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
)

func Example() {
	var d struct{ Title string }
	fmt.Println(json.Unmarshal(grafana.Dashboard, &d), d.Title)
	// Output: <nil> phxpaxos
}

// loop is a network whose other end is this node alone.
type loop struct{}

func (loop) Start(network.Receive) error           { return nil }
func (loop) Send(nodeid.ID, []byte, network.Class) {}
func (loop) Close() error                          { return nil }

// series are the names that a node's metrics have in Prometheus, each with
// its labels.
func series(t *testing.T) map[string]map[string]bool {
	t.Helper()
	var ids []nodeid.ID
	for _, addr := range []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"} {
		id, err := nodeid.FromAddrPort(netip.MustParseAddrPort(addr))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	recorder := &metrics.Recorder{}
	store, err := vfile.Open("log", 1, vfile.Options{FS: memfs.New(), Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{MyNode: ids[0], Nodes: ids, LogStorage: store, Network: loop{}, Observer: recorder})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(node.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	collector, err := metrics.NewCollector(node, recorder, metrics.Options{})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	// Peers have no series before they were heard.
	names := map[string]map[string]bool{"phxpaxos_peer_silence_seconds": {"node": true, "peer": true}}
	for _, f := range families {
		labels := map[string]bool{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
		if f.GetMetric()[0].GetHistogram() == nil {
			names[f.GetName()] = labels
			continue
		}
		names[f.GetName()+"_sum"], names[f.GetName()+"_count"] = labels, labels
		names[f.GetName()+"_bucket"] = map[string]bool{"le": true, "node": true}
	}
	return names
}

var (
	name     = regexp.MustCompile(`phxpaxos_[a-z_]+`)
	selector = regexp.MustCompile(`(phxpaxos_[a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// check looks at one query.
func check(t *testing.T, where, query string, names map[string]map[string]bool, used map[string]bool) {
	t.Helper()
	found := name.FindAllString(query, -1)
	if len(found) == 0 {
		t.Errorf("%s: %q names no metric", where, query)
	}
	for _, n := range found {
		if names[n] == nil {
			t.Errorf("%s: there is no metric %s", where, n)
		}
		used[n] = true
	}
	for _, s := range selector.FindAllStringSubmatch(query, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if names[s[1]] != nil && !names[s[1]][m[1]] {
				t.Errorf("%s: %s has no label %s", where, s[1], m[1])
			}
			if m[1] == "event" {
				for kind := range strings.SplitSeq(m[2], "|") {
					if !isKind(kind) {
						t.Errorf("%s: there is no event %s", where, kind)
					}
				}
			}
		}
	}
	if open, shut := strings.Count(query, "("), strings.Count(query, ")"); open != shut {
		t.Errorf("%s: %d ( and %d )", where, open, shut)
	}
}

func isKind(name string) bool {
	for k := event.None + 1; int(k) < event.Kinds; k++ {
		if k.String() == name {
			return true
		}
	}
	return false
}

// Every query names metrics, labels and events that exist.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	var d struct {
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(grafana.Dashboard, &d); err != nil {
		t.Fatal(err)
	}
	names, used, ids, queries := series(t), map[string]bool{}, map[int]string{}, 0
	for _, p := range d.Panels {
		if other, ok := ids[p.ID]; ok {
			t.Errorf("%q and %q have the same id", p.Title, other)
		}
		ids[p.ID] = p.Title
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%q does not fit: %+v", p.Title, p.GridPos)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			check(t, p.Title, target.Expr, names, used)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			check(t, v.Name, v.Query, names, used)
		}
	}
	if queries < 30 {
		t.Errorf("only %d queries were found", queries)
	}
	// A metric that nobody can see on the dashboard is a metric too many.
	for n := range names {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(n, "_bucket"), "_sum"), "_count")
		if !used[n] && !used[base+"_bucket"] && !used[base+"_sum"] && !onPage[n] {
			t.Errorf("no panel shows %s", n)
		}
	}
}

// onPage are metrics for alerts and for the status page's own table.
var onPage = map[string]bool{
	"phxpaxos_node_start_time_seconds": true, "phxpaxos_group_instance": true, "phxpaxos_group_is_master": true,
	"phxpaxos_group_lease_left_seconds": true, "phxpaxos_group_log_start_instance": true, "phxpaxos_group_members": true,
	"phxpaxos_group_proposals": true, "phxpaxos_group_stopped": true,
}

func TestAlertsAskForWhatThereIs(t *testing.T) {
	names := series(t)
	alerts := strings.Split(string(grafana.Alerts), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Errorf("only %d alerts were found", len(alerts))
	}
	for _, a := range alerts {
		title, rest, _ := strings.Cut(a, "\n")
		_, expr, ok := strings.Cut(rest, "expr: ")
		if !ok {
			t.Errorf("%s has no expression", title)
		}
		expr, _, _ = strings.Cut(expr, "\n")
		check(t, title, expr, names, map[string]bool{})
		for _, field := range []string{"for: ", "severity: ", "summary: "} {
			if !strings.Contains(rest, field) {
				t.Errorf("%s lacks %q", title, field)
			}
		}
	}
}
