package monitor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// noLeaks fails the test if it leaves goroutines behind. It has to be called
// first, so that its cleanup runs last.
func noLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		await.Show(t, "the goroutines of the test end", func() bool { return runtime.NumGoroutine() <= before }, func() string {
			stacks := make([]byte, 1<<20)
			return fmt.Sprintf("%d goroutines, %d at the start:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		})
	})
}

type echo struct{}

func (echo) ID() sm.ID                          { return 1 }
func (echo) Execute(e sm.Entry) ([]byte, error) { return e.Value, nil }

// silence is a network that carries nothing: the nodes here are alone.
type silence struct{}

func (silence) Start(network.Receive) error           { return nil }
func (silence) Send(nodeid.ID, []byte, network.Class) {}
func (silence) Close() error                          { return nil }

// run starts a node that is alone, with a log in memory.
func run(t *testing.T, name string, groups int, observer event.Observer) *phxpaxos.Node {
	t.Helper()
	me, err := nodeid.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	store, err := vfile.Open("log", groups, vfile.Options{FS: memfs.New(), Deterministic: true, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: me, Nodes: []nodeid.ID{me}, GroupCount: groups, LogStorage: store, Network: silence{},
		StateMachines: []sm.StateMachine{echo{}}, Observer: observer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Close()
		store.Close()
	})
	return node
}

func start(t *testing.T, o monitor.Options) *monitor.Monitor {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	m, err := monitor.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

func get(t *testing.T, m *monitor.Monitor, path string) (int, string, http.Header) {
	t.Helper()
	resp, err := http.Get("http://" + m.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// A monitor is made before its node, so that one can see it start.
func Example() {
	m, err := monitor.New(monitor.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	// node, err := phxpaxos.Run(phxpaxos.Options{…, Observer: m.Observer()})
	// m.Watch(node)
	resp, err := http.Get("http://" + m.Addr() + "/readyz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Print(resp.StatusCode, " ", string(text))
	// Output: 503 {"ready":false,"why":"starting"}
}

func TestHealthFromStartToEnd(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{})
	if code, text, _ := get(t, m, "/healthz"); code != 200 || text != "ok\n" {
		t.Errorf("healthz: %d %q", code, text)
	}
	m.Observer().Observe(event.Event{Kind: event.Replay, Group: 3, Number: 500, Size: 4000})
	if code, text, _ := get(t, m, "/readyz"); code != 503 || !strings.Contains(text, "group 3 has 500 of 4000 instances to replay") {
		t.Errorf("readyz while starting: %d %q", code, text)
	}
	node := run(t, "10.0.0.1:11111", 2, m.Observer())
	if err := m.Watch(node); err != nil {
		t.Fatal(err)
	}
	if err := m.Watch(node); err == nil {
		t.Error("a second Watch succeeded")
	}
	if code, text, _ := get(t, m, "/readyz"); code != 200 || text != `{"ready":true}`+"\n" {
		t.Errorf("readyz: %d %q", code, text)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := get(t, m, "/readyz"); code != 503 || !strings.Contains(text, "closing") {
		t.Errorf("readyz of a closed node: %d %q", code, text)
	}
}

func TestStatus(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{})
	node := run(t, "10.0.0.1:11111", 3, m.Observer())
	if err := m.Watch(node); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := node.Propose(t.Context(), 1, 1, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	_, text, header := get(t, m, "/api/status?groups=1")
	if header.Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
	n, err := report.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if n.Node != "10.0.0.1:11111" || n.State != report.Running || n.Events.Proposals != 4 || len(n.Groups) != 3 || n.Groups[1].Instance != 4 || n.Totals.Groups != 3 {
		t.Errorf("status %+v", n)
	}
	if _, text, _ := get(t, m, "/api/status"); strings.Contains(text, `"groups":[`) {
		t.Error("groups came without being asked for")
	}
	if _, text, _ := get(t, m, "/metrics"); !strings.Contains(text, `phxpaxos_proposals_total{node="10.0.0.1:11111"} 4`) || !strings.Contains(text, "go_goroutines") {
		t.Errorf("metrics:\n%.2000s", text)
	}
	if code, text, _ := get(t, m, "/api/group?group=1"); code != 200 || !strings.Contains(text, `"instance":4`) {
		t.Errorf("group 1: %d %q", code, text)
	}
}

func TestBadRequests(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{})
	for path, want := range map[string]int{
		"/nothing": 404, "/api/status?since=x": 400, "/api/status?since=-1": 400, "/api/group": 400,
		"/api/group?group=-1": 400, "/api/group?group=99": 404, "/debug/pprof/": 404, "/debug/pprof/heap": 404,
		"/api/group?group=<script>": 400,
	} {
		code, text, header := get(t, m, path)
		if code != want {
			t.Errorf("%s: %d %q, want %d", path, code, text, want)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser might take the answer for a page", path)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		req, err := http.NewRequest(method, "http://"+m.Addr()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://elsewhere.example")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d, CORS %q", method, resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"))
		}
	}
}

func TestPageAllowsNothingFromElsewhere(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{})
	code, text, header := get(t, m, "/")
	if code != 200 || !strings.HasPrefix(text, "<!DOCTYPE html>") {
		t.Fatalf("the page: %d %.100q", code, text)
	}
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s", policy, want)
		}
	}
	for _, word := range []string{"unsafe-inline", "unsafe-eval", "*"} {
		if strings.Contains(policy, word) {
			t.Errorf("policy %q has %s", policy, word)
		}
	}
	for _, word := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "//cdn"} {
		if strings.Contains(text, word) {
			t.Errorf("the page has %q", word)
		}
	}
}

func TestPprofOnlyWhenAsked(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{Pprof: true})
	if code, text, _ := get(t, m, "/debug/pprof/goroutine?debug=1"); code != 200 || !strings.Contains(text, "goroutine profile") {
		t.Errorf("pprof: %d %.100q", code, text)
	}
	for _, path := range []string{"heap", "profile?seconds=0.01", "trace?seconds=0.01"} {
		if code, text, _ := get(t, m, "/debug/pprof/"+path); code != 200 || len(text) == 0 {
			t.Errorf("%s: %d, %d bytes", path, code, len(text))
		}
	}
	for path, want := range map[string]int{"nothing": 404, "profile?seconds=x": 400, "profile?seconds=1e9": 400, "trace?seconds=NaN": 400} {
		if code, text, _ := get(t, m, "/debug/pprof/"+path); code != want {
			t.Errorf("%s: %d %q, want %d", path, code, text, want)
		}
	}
	// Whatever else the program serves does not get them by the way.
	if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest("GET", "/debug/pprof/", nil)); pattern != "" {
		t.Errorf("http.DefaultServeMux serves %s", pattern)
	}
}

// viewer is a page that is open.
type viewer struct {
	resp *http.Response
	scan *bufio.Reader
}

func look(t *testing.T, m *monitor.Monitor) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Addr()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &viewer{resp, bufio.NewReader(resp.Body)}
}

// next reads one event.
func (v *viewer) next(t *testing.T) (name string, data []byte) {
	t.Helper()
	for {
		line, err := v.scan.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "data: "):
			data = []byte(line[6:])
		case line == "" && name != "":
			return name, data
		}
	}
}

// seen is what a page is told of the nodes.
type seen struct {
	Nodes []struct {
		Node, State, Addr, Error string
		Self                     bool
		Samples                  []report.Sample
	}
}

// until reads events until ok holds for one about the nodes.
func (v *viewer) until(t *testing.T, what string, ok func(s seen) bool) {
	t.Helper()
	for end := time.Now().Add(await.Limit(t)); time.Now().Before(end); {
		name, data := v.next(t)
		if name == "groups" {
			continue
		}
		var s seen
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return
		}
	}
	t.Fatalf("not seen: %s", what)
}

func TestViewersAreLimited(t *testing.T) {
	noLeaks(t)
	m := start(t, monitor.Options{})
	var open []*viewer
	for range 16 {
		v := look(t, m)
		if v.resp.StatusCode != 200 {
			t.Fatalf("viewer %d: %s", len(open), v.resp.Status)
		}
		open = append(open, v)
	}
	v := look(t, m)
	if v.resp.StatusCode != 503 || v.resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", v.resp.Status)
	}
	open[3].resp.Body.Close()
	await.True(t, "the place of one who left is free", func() bool { return look(t, m).resp.StatusCode == 200 })
	for _, v := range open[4:] {
		if name, _ := v.next(t); name != "hello" {
			t.Errorf("the first event is %q", name)
		}
	}
}

// The page of one node shows the others, notices that one is gone and is back,
// and asks nobody while nobody looks.
func TestPeers(t *testing.T) {
	noLeaks(t)
	other := start(t, monitor.Options{})
	if err := other.Watch(run(t, "10.0.0.2:11111", 1, other.Observer())); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1000)
	var down atomic.Bool
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		other.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(counted.Close)
	m := start(t, monitor.Options{Peers: []string{strings.TrimPrefix(counted.URL, "http://"), "127.0.0.1:1"}})
	if err := m.Watch(run(t, "10.0.0.1:11111", 1, m.Observer())); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
		t.Error("a peer is asked while nobody looks")
	default:
	}
	v := look(t, m)
	v.until(t, "the other node runs, and the third is down", func(s seen) bool {
		return len(s.Nodes) == 3 && s.Nodes[0].Self && s.Nodes[1].State == report.Running && s.Nodes[1].Node == "10.0.0.2:11111" &&
			s.Nodes[2].State == "down" && strings.Contains(s.Nodes[2].Error, "refused")
	})
	down.Store(true)
	began := time.Now()
	v.until(t, "the other node is down", func(s seen) bool { return s.Nodes[1].State == "down" })
	await.Took(t, "it is noticed that a node is gone", time.Since(began), 3*time.Second)
	down.Store(false)
	v.until(t, "it is back", func(s seen) bool { return s.Nodes[1].State == report.Running })
	v.until(t, "samples come", func(s seen) bool { return len(s.Nodes[0].Samples) > 0 })
	v.resp.Body.Close()
	for quiet := false; !quiet; { // the last questions may be under way
		select {
		case <-asked:
		case <-time.After(1200 * time.Millisecond):
			quiet = true
		}
	}
}

// A peer that answers nonsense is down, and harms nobody.
func TestPeerThatAnswersNonsense(t *testing.T) {
	noLeaks(t)
	for name, text := range map[string]string{
		"no JSON": "<html>", "another state": `{"state":"<img src=x>"}`, "no node": `{"state":"running"}`, "groups out of order": `{"state":"running","node":"x","groups":[{"group":5}]}`,
	} {
		nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
		m := start(t, monitor.Options{Peers: []string{nonsense.URL}})
		look(t, m).until(t, name, func(s seen) bool { return len(s.Nodes) == 2 && s.Nodes[1].State == "down" && s.Nodes[1].Error != "" })
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		nonsense.Close()
	}
}

func TestOptionsAreChecked(t *testing.T) {
	noLeaks(t)
	for _, c := range []struct {
		o    monitor.Options
		want string
	}{
		{monitor.Options{Addr: ":8080"}, "must name a host"},
		{monitor.Options{Addr: "8080"}, "must be host:port"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: []string{"nowhere"}}, "must be host:port"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: []string{"ftp://a:1"}}, "must be host:port"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: []string{"a:1/path"}}, "must be host:port"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: []string{"user:pass@a:1"}}, "must be host:port"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: []string{"a:0"}}, "port is 0"},
		{monitor.Options{Addr: "127.0.0.1:0", Peers: make([]string, 65)}, "at most 64"},
	} {
		m, err := monitor.New(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
		m.Close()
	}
	m := start(t, monitor.Options{})
	if _, err := monitor.New(monitor.Options{Addr: m.Addr()}); err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("an address that is taken: %v", err)
	}
}

func TestFlags(t *testing.T) {
	noLeaks(t)
	parse := func(args ...string) (*monitor.Monitor, string, error) {
		var f monitor.Flags
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		f.Register(flags)
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		m, err := f.Start(&said)
		return m, said.String(), err
	}
	m, said, err := parse()
	if m != nil || said != "" || err != nil {
		t.Errorf("nothing asked for: %v %q %v", m, said, err)
	}
	// A monitor that nobody asked for can be used like one.
	if m.Observer() != nil || m.Addr() != "" || m.Watch(nil) != nil || m.Close() != nil {
		t.Error("a nil monitor does something")
	}
	m, said, err = parse("-monitor", "127.0.0.1:0", "-monitor-peers", "10.0.0.2:8080,10.0.0.3:8080", "-monitor-pprof")
	if err != nil || said != "monitor: http://"+m.Addr()+"/\n" {
		t.Errorf("said %q, %v", said, err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := parse("-monitor-peers", "10.0.0.2:8080"); err == nil || !strings.Contains(err.Error(), "need -monitor") {
		t.Errorf("peers alone: %v", err)
	}
}
