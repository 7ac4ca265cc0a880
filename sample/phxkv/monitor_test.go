package phxkv_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A server with -monitor says where that is, and shows its groups there.
func TestMonitor(t *testing.T) {
	c := newCluster(t, 1, "-monitor", "127.0.0.1:0")
	c.startAll()
	url, ok := strings.CutPrefix(strings.TrimSpace(c.nodes[0].Stderr()), "monitor: ")
	if !ok {
		t.Fatalf("stderr %q does not say where the monitor is", c.nodes[0].Stderr())
	}
	resp, err := http.Get(url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `phxpaxos_groups_led{node="` + c.ids[0].String() + `"} 3`; !strings.Contains(string(text), want) {
		t.Errorf("metrics lack %q", want)
	}
	c.terminate(0)
}
