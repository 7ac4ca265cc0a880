package process

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
)

func TestEventsAreReadFromTheMonitor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Write([]byte("# TYPE phxpaxos_events_total counter\nphxpaxos_events_total{event=\"Voting\",node=\"127.0.0.1:2\"} 7\nphxpaxos_events_total{event=\"Odd\",node=\"x\"} much\n"))
		}
	}))
	defer server.Close()
	p, err := Start(t.TempDir(), "sh", "-c", "read go; echo monitor: "+server.URL+"/ >&2; exec cat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if _, err := p.Events(t.Context(), "Voting"); err == nil || !strings.Contains(err.Error(), "-monitor") {
		t.Errorf("before it says where its monitor is: %v", err)
	}
	if err := p.Type("go"); err != nil {
		t.Fatal(err)
	}
	await.True(t, "it says where its monitor is", func() bool { return strings.Contains(p.Stderr(), "\n") })
	if n, err := p.Events(t.Context(), "Voting"); n != 7 || err != nil {
		t.Errorf("%d events, %v, want 7", n, err)
	}
	for kind, want := range map[string]string{"Unheard": `no events of kind "Unheard"`, "Odd": "much"} {
		if _, err := p.Events(t.Context(), kind); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", kind, err, want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Events(gone, "Voting"); err == nil {
		t.Error("no error of a context that has ended")
	}
}
