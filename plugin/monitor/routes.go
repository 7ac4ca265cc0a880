package monitor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/page"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

// routes is everything that is served.
func (m *Monitor) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", m.page)
	mux.HandleFunc("/events", m.cluster.events)
	mux.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 8, Timeout: 30 * time.Second, // scraping 100 000 groups is not free
	}))
	mux.HandleFunc("/api/status", m.status)
	mux.HandleFunc("/api/group", m.group)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", m.ready)
	if m.opts.Pprof {
		addProfiles(mux)
	}
	return guard(mux)
}

// guard refuses what would change something, and tells browsers to load
// nothing from elsewhere and to let no other site look in.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are possible here", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (m *Monitor) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", page.Policy())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.HTML()) // whoever went away does not need it
}

func (m *Monitor) status(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since := uint64(0)
	if text := q.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			http.Error(w, fmt.Sprintf("since is %.40q, must be the number of a sample, 0 or more", text), http.StatusBadRequest)
			return
		}
	}
	answer(w, http.StatusOK, m.report(time.Now(), since, q.Get("groups") == "1"))
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // whoever went away does not need it
}

// Ready says whether a node can serve, and if not why.
type readiness struct {
	Ready bool   `json:"ready"`
	Why   string `json:"why,omitempty"`
}

// ready: the node runs, not all of its groups have stopped, and none is far
// behind. A node with some stopped groups goes on serving the others; whether
// that will do is for an alert, not for a load balancer.
func (m *Monitor) ready(w http.ResponseWriter, _ *http.Request) {
	r := m.readiness()
	code := http.StatusOK
	if !r.Ready {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, r)
}

func (m *Monitor) readiness() readiness {
	n := m.report(time.Now(), report.NoSamples, false)
	t := n.Totals
	switch {
	case n.State == report.Starting && n.Replay != nil:
		return readiness{Why: fmt.Sprintf("starting: group %d has %d of %d instances to replay", n.Replay.Group, n.Replay.Left, n.Replay.Of)}
	case n.State != report.Running:
		return readiness{Why: n.State}
	case t.Stopped == t.Groups:
		return readiness{Why: "all groups have stopped: " + m.firstError()}
	case t.LagMax > m.opts.ReadyLagMax:
		return readiness{Why: fmt.Sprintf("a group is %d instances behind, at most %d are allowed", t.LagMax, m.opts.ReadyLagMax)}
	}
	return readiness{Ready: true}
}

func (m *Monitor) firstError() string {
	if w := m.watched.Load(); w != nil {
		if err := w.node.GroupError(0); err != nil {
			return strings.ToValidUTF8(err.Error(), "?")
		}
	}
	return ""
}

func (m *Monitor) group(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("group")
	index, err := strconv.Atoi(text)
	if err != nil || index < 0 {
		http.Error(w, fmt.Sprintf("group is %.40q, must be the number of a group, 0 or more", text), http.StatusBadRequest)
		return
	}
	detail, err := m.cluster.detail(r.Context(), index)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, detail)
}
