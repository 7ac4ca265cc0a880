package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// A node with -monitor prints what it prints without, and counts what it does.
func TestMonitor(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	c.nodes[0] = launch(t, c.dir, "-monitor", "127.0.0.1:0", me, me)
	c.shows(1, prompt)
	c.answers(1, "counted")
	said := c.nodes[0].Stderr()
	url, ok := strings.CutPrefix(strings.TrimSpace(said), "monitor: ")
	if !ok {
		t.Fatalf("stderr %q does not say where the monitor is", said)
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
	if want := `phxpaxos_proposals_total{node="` + me + `"} 1`; !strings.Contains(string(text), want) {
		t.Errorf("metrics lack %q", want)
	}
	if out := c.nodes[0].Stdout(); strings.Contains(out, "monitor") {
		t.Errorf("stdout %q is not the original's any more", out)
	}
	c.terminate(1)
}

func TestBadMonitorOptions(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, v := range []struct {
		args []string
		want string
	}{
		{[]string{"-monitor", ":8080"}, "must name a host"},
		{[]string{"-monitor", "here"}, "must be host:port"},
		{[]string{"-monitor-peers", "127.0.0.1:1"}, "need -monitor"},
		{[]string{"-monitor", "127.0.0.1:0", "-monitor-peers", "a,b"}, "must be host:port"},
		{[]string{"-monitor", taken.Addr().String()}, "choose another address"},
	} {
		p := launch(t, c.dir, append(v.args, me, me)...)
		exits(t, p, cmdline.ExitFail)
		if stderr := p.Stderr(); !strings.Contains(stderr, v.want) {
			t.Errorf("%v: stderr %q lacks %q", v.args, stderr, v.want)
		}
	}
}
