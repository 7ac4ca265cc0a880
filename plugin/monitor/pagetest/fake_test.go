package pagetest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/page"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// fake serves the page with made-up figures: 15 minutes of them, which no test
// can wait for, so that one can see how a busy cluster looks.
func fake(t *testing.T, groups int, trouble bool) string {
	r := rand.New(rand.NewPCG(1, 2))
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", page.Policy())
		w.Write(page.HTML())
	})
	now := time.Now()
	hello, rows := fakeNodes(r, now, groups, trouble, report.SamplesMax), fakeRows(r, now, groups, trouble)
	mux.HandleFunc("/events", func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		send := func(name string, v any) {
			data, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
			w.(http.Flusher).Flush()
		}
		send("hello", hello)
		send("groups", rows)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case at := <-tick.C:
				send("tick", fakeNodes(r, at, groups, trouble, 1))
			case <-q.Context().Done():
				return
			}
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

func fakeNodes(r *rand.Rand, now time.Time, groups int, trouble bool, samples int) map[string]any {
	var nodes []map[string]any
	for i := range 3 {
		name := func(k int) string { return fmt.Sprintf("10.0.0.%d:11111", k+1) }
		state, reason := report.Running, ""
		if trouble && i == 2 {
			state, reason = "down", "connection refused: nothing listens there"
		}
		peers := []map[string]any{}
		for k := range 3 {
			if silence := r.Float64() * 2; k != i {
				if trouble && k == 2 {
					silence += 73
				}
				peers = append(peers, map[string]any{"node": name(k), "heard": true, "silence": silence})
			}
		}
		made := fakeSamples(r, now, i, state == "down")
		made = made[max(0, len(made)-samples):]
		nodes = append(nodes, map[string]any{
			"node": name(i), "state": state, "error": reason, "self": i == 0, "addr": []string{"", "http://10.0.0.2:8080", "http://10.0.0.3:8080"}[i],
			"sinceReport": map[bool]float64{true: 74.2, false: 0.3}[state == "down"], "uptime": 93421.0 + float64(i)*400,
			"totals": map[string]any{"groups": groups, "led": groups / 3},
			"disk":   map[string]any{"queue": 3 * i, "took": 0.0009, "busy": 0}, "peers": peers,
			"events":  map[string]any{"proposals": 8123456 + i, "failed": 12, "retries": 1840, "errors": 7},
			"samples": made,
		})
	}
	return map[string]any{"time": now.UnixMilli(), "nodes": nodes}
}

func fakeSamples(r *rand.Rand, now time.Time, node int, down bool) []report.Sample {
	var all []report.Sample
	for i := range report.SamplesMax {
		if down && i > report.SamplesMax-75 {
			break
		}
		wave := 1 + 0.3*math.Sin(float64(i)/70+float64(node)) + 0.1*r.NormFloat64()
		burst := 1.0
		if i > 500 && i < 560 && node < 2 {
			burst = 2.4
		}
		var s report.Sample
		s[report.SampleTime] = float64(now.Add(time.Duration(i-report.SamplesMax) * time.Second).UnixMilli())
		s[report.ProposalRate] = max(0, 5200/float64(node+1)*wave*burst)
		s[report.ProposalP50] = 0.0011 * wave * burst
		s[report.ProposalP99] = 0.0034 * wave * burst * (1 + 0.3*r.Float64())
		s[report.SyncP50] = 0.0005 * wave
		s[report.SyncP99] = 0.0013 * wave * (1 + 0.6*r.Float64())
		s[report.SyncRate] = 900 * wave
		s[report.DiskQueue] = math.Floor(max(0, 6*wave*burst))
		s[report.Waiting] = math.Floor(max(0, 40/float64(node+1)*wave*burst))
		s[report.Packets] = math.Floor(max(0, 4*wave))
		if r.IntN(160) == 0 || down && i > 500 && i < 520 {
			s[report.RetryRate] = float64(r.IntN(6))
		}
		if i > 505 && i < 512 {
			s[report.ErrorRate] = float64(r.IntN(3))
		}
		if i > 500 && i < 540 && node == 1 {
			s[report.LagMax] = float64(40 - (i - 500))
		}
		all = append(all, s)
	}
	return all
}

func fakeRows(r *rand.Rand, now time.Time, groups int, trouble bool) map[string]any {
	rows := []any{}
	for i := range groups {
		lag, stopped, reason, lease := 0, 0, "", now.Add(time.Duration(60000+r.IntN(9000))*time.Millisecond).UnixMilli()
		master := fmt.Sprintf("10.0.0.%d:11111", 1+i%3)
		if trouble {
			switch {
			case i%97 == 13:
				lag = 20 + r.IntN(4000)
			case i == 217%groups:
				stopped, reason = 1, "group has stopped: group 217: log storage: write: no space left on device <b>not bold</b>"
			case i%3 == 2 && i%20 == 0:
				lease = now.Add(-2 * time.Second).UnixMilli()
			}
		}
		rows = append(rows, []any{i, 81000 + r.IntN(9000), lag, master, lease, r.IntN(9), r.IntN(4), 60000, 3, 3 - map[bool]int{true: 1, false: 0}[trouble], stopped, reason})
	}
	return map[string]any{"total": groups, "rows": rows}
}
