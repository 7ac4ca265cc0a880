package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	nodes    = 3
	attacker = nodes // the host of the attacker
)

func main() {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	long := flag.Bool("long", false, "lure nodes for a minute each, and those with a secret and TLS as well")
	only := flag.String("only", "", "run what contains this `text`, such as tls or source/membership/forge")
	flag.Parse()
	if err := attackAll(*long, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is one run of the program.
type run struct {
	lan  *lan
	dir  string
	long bool
	only string
	out  io.Writer

	mu    sync.Mutex
	ports int
	fails []error
}

// attackAll attacks all kinds of clusters. The error is everything that an
// attacker achieved.
func attackAll(long bool, only string, out io.Writer) (err error) {
	l, err := newLAN(nodes + 1)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		_ = l.remove() // processes of nodes end with this one
		os.Exit(1)
	}()
	dir, err := os.MkdirTemp("", "phxattack")
	if err != nil {
		return errors.Join(err, l.remove())
	}
	r := &run{lan: l, dir: dir, long: long, only: only, out: out, ports: 8000}
	for _, m := range []mode{source, secret, mutual} {
		for _, members := range []bool{false, true} {
			r.cluster(m, members)
		}
	}
	err = errors.Join(errors.Join(r.fails...), l.remove())
	if err != nil {
		return fmt.Errorf("%w\nthe logs of the nodes are in %s", err, dir)
	}
	return os.RemoveAll(dir)
}

// cluster attacks one kind of cluster: first with what needs no answer of a
// node, then with answers to nodes, on clusters of their own at the same time.
func (r *run) cluster(m mode, members bool) {
	name := string(m) + "/list"
	if members {
		name = string(m) + "/membership"
	}
	r.with(name+"/outside", m, members, r.outside)
	within := 15 * time.Second // a node is missed after 9 s, and the others then ask every 3 s
	if r.long {
		within = time.Minute
	}
	if m != source && !r.long {
		return // no packet of the attacker gets as far
	}
	var all sync.WaitGroup
	for _, kind := range lures {
		all.Go(func() {
			r.with(name+"/lure/"+kind, m, members, func(_ string, c *cluster, _ *capture) error {
				return lure(c, r.lan.hosts[attacker], within, kind)
			})
		})
	}
	all.Wait()
}

// with runs attacks against a cluster of their own.
func (r *run) with(name string, m mode, members bool, attacks func(string, *cluster, *capture) error) {
	if !strings.Contains(name, r.only) {
		return
	}
	began := time.Now()
	r.mu.Lock()
	r.ports++
	port := r.ports
	r.mu.Unlock()
	ids := make([]string, nodes)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s:%d", r.lan.hosts[i].address, port)
	}
	err := func() error {
		dir := filepath.Join(r.dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		recording, err := startCapture(r.lan.bridge)
		if err != nil {
			return err
		}
		defer recording.stop()
		c, err := newCluster(m, members, r.lan.hosts[:nodes], ids, dir)
		if err != nil {
			return err
		}
		defer c.close()
		if err := errors.Join(c.write(), c.settle()); err != nil {
			return err
		}
		return attacks(name, c, recording)
	}()
	r.done(name, began, err)
}

func (r *run) done(name string, began time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := "held"
	if err != nil {
		result = "FAILED: " + err.Error()
		r.fails = append(r.fails, fmt.Errorf("%s: %w", name, err))
	}
	fmt.Fprintf(r.out, "%-36s %5.1f s  %s\n", name, time.Since(began).Seconds(), result)
}

// outside are the attacks on one cluster in turn. The cluster goes on after an
// attack that failed; what follows one that succeeded says nothing.
func (r *run) outside(name string, c *cluster, recording *capture) error {
	from := r.lan.hosts[attacker]
	victim, err := c.bystander()
	if err != nil {
		return err
	}
	peer := (victim + 1) % nodes
	recorded := slices.Clone(recording.stream(r.lan.hosts[peer].address, c.ids[victim]))
	for _, a := range []struct {
		name string
		do   func() error
	}{
		{"forge", func() error { return forge(c, from) }},
		{"replay", func() error { return replay(c, from, victim, recorded) }},
		{"foreign/empty", func() error { return foreign(c, victim, empty) }},
		{"foreign/ahead", func() error { return foreign(c, victim, ahead) }},
		{"foreign/behind", func() error { return foreign(c, victim, behind) }},
	} {
		began := time.Now()
		if err := a.do(); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		fmt.Fprintf(r.out, "%-36s %5.1f s  held\n", name+"/"+a.name, time.Since(began).Seconds())
	}
	return nil
}
