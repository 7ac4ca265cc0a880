package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// runner plays the loads, one after the other.
type runner struct {
	o       *options
	stdout  io.Writer
	show    *progress
	cluster *cluster
	results []*figures
}

// bench runs everything that o asks for. What was measured before a failure
// is printed and written all the same.
func bench(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	r := &runner{o: o, stdout: stdout}
	if len(o.Join) > 0 && o.At != 0 && o.At != o.Me+1 {
		return r.serveOnly(ctx, stderr)
	}
	rows := o.rows()
	r.show = newProgress(stderr, len(rows), o.warmup()+o.measured())
	about := describe(o)
	if !o.JSON {
		fmt.Fprintf(stdout, "%s\n\n", strings.Join(about, "\n"))
		writeHead(stdout)
	}
	err := r.all(ctx, rows)
	r.show.close()
	if r.cluster != nil {
		err = errors.Join(err, r.cluster.close())
	}
	return errors.Join(err, r.finish(about))
}

// serveOnly runs a node that does not propose, until the user ends it.
func (r *runner) serveOnly(ctx context.Context, stderr io.Writer) error {
	o := *r.o
	fmt.Fprintf(stderr, "node %v serves; node %d of the list proposes; ^C ends this node\n", o.Join[o.Me], o.At)
	c, err := startCluster(ctx, &o, o.Groups)
	if err != nil {
		return interrupted(ctx, err)
	}
	const aYear = 365 * 24 * time.Hour
	err = c.sleep(ctx, aYear)
	return errors.Join(interrupted(ctx, err), c.close())
}

// interrupted is nil for the end that a serving node is meant to have.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (r *runner) all(ctx context.Context, rows []row) error {
	for i, w := range rows {
		// Values of another size get a fresh cluster, so that no load pays
		// for what others left in the log.
		if i == 0 || rows[i-1].Groups != w.Groups || rows[i-1].ValueBytes != w.ValueBytes {
			if err := r.restart(ctx, i, w); err != nil {
				return err
			}
		}
		r.show.step(i, fmt.Sprintf("%d groups, %s, %d callers", w.Groups, size(w.ValueBytes), w.Callers))
		if err := r.row(ctx, w, len(rows) > 1); err != nil {
			return fmt.Errorf("%d groups, %s, %d callers: %w", w.Groups, size(w.ValueBytes), w.Callers, err)
		}
	}
	return nil
}

// row measures one load, and with -stall once more while a disk stands still.
func (r *runner) row(ctx context.Context, w row, several bool) error {
	stalls := []time.Duration{0}
	if r.o.Stall > 0 {
		stalls = append(stalls, r.o.Stall)
	}
	for _, stall := range stalls {
		f, err := r.one(ctx, w, several, stall)
		if err != nil {
			return err
		}
		r.results = append(r.results, f)
		r.show.clear()
		if !r.o.JSON {
			writeRow(r.stdout, f)
		}
	}
	return nil
}

func (r *runner) restart(ctx context.Context, i int, w row) error {
	if r.cluster != nil {
		r.show.step(i, "closing the nodes")
		err := r.cluster.close()
		r.cluster = nil
		if err != nil {
			return err
		}
	}
	r.show.step(i, fmt.Sprintf("starting %s with %d groups", r.nodes(), w.Groups))
	c, err := startCluster(ctx, r.o, w.Groups)
	if err != nil {
		return err
	}
	r.cluster = c
	return nil
}

func (r *runner) nodes() string {
	if len(r.o.Join) > 0 {
		return "one node"
	}
	return fmt.Sprintf("%d nodes", r.o.Nodes)
}

// one measures one load, and with stall for as long as a disk stands still.
func (r *runner) one(ctx context.Context, w row, several bool, stall time.Duration) (*figures, error) {
	c := r.cluster
	l := load{
		Callers: w.Callers, ValueBytes: w.ValueBytes, Rate: r.o.Rate,
		CPUProfile: profileName(r.o.CPUProfile, w, several),
	}
	if err := c.load(l); err != nil {
		return nil, err
	}
	if err := c.sleep(ctx, r.o.warmup()); err != nil {
		return nil, err
	}
	m := measurement{row: w, rate: r.o.Rate, proposer: slices.Index(c.nodes, c.at[0])}
	var err error
	if m.before, err = c.each(ctx, request{Begin: true}); err != nil {
		return nil, err
	}
	measured := r.o.measured()
	if stall > 0 {
		measured = stall
		if err := c.at[0].ask(request{Stall: stall}); err != nil {
			return nil, err
		}
	}
	if err := c.sleep(ctx, measured); err != nil {
		return nil, err
	}
	if m.after, err = c.each(ctx, request{End: true}); err != nil {
		return nil, err
	}
	if m.outcomes, err = c.outcomes(ctx, w.Callers); err != nil {
		return nil, err
	}
	f, err := m.figures()
	if err != nil {
		return nil, err
	}
	f.Stalled, f.Start = stall > 0, c.took.Seconds()
	return f, nil
}

// finish prints and writes what is left to say.
func (r *runner) finish(about []string) error {
	var errs []error
	if r.o.JSON {
		encoder := json.NewEncoder(r.stdout)
		encoder.SetIndent("", "  ")
		errs = append(errs, encoder.Encode(struct {
			About []string   `json:"about"`
			Loads []*figures `json:"loads"`
		}{about, r.results}))
	} else if len(r.results) > 0 {
		fmt.Fprint(r.stdout, legend)
	}
	if len(r.results) == 0 {
		return errors.Join(errs...)
	}
	errs = append(errs, r.writeFile(r.o.Markdown, func(w io.Writer) error { return writeMarkdown(w, about, r.results) }))
	errs = append(errs, r.writeFile(r.o.SVG, func(w io.Writer) error { return writePlot(w, "phxpaxos: "+about[0], r.results) }))
	return errors.Join(errs...)
}

func (r *runner) writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// describe says what is measured, and on what.
func describe(o *options) []string {
	dir := o.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	where := fmt.Sprintf("%d nodes on this machine, one process each", o.Nodes)
	if len(o.Join) > 0 {
		where = fmt.Sprintf("node %d of %d; costs are those of this node alone", o.Me+1, o.Nodes)
	}
	at := "node " + fmt.Sprint(o.At)
	if o.At == 0 {
		at = "all nodes"
	}
	loop := "closed loop"
	if o.Rate > 0 {
		loop = number(o.Rate) + " operations a second are due"
	}
	batching := onOff(o.Batch)
	if o.BatchDelay > 0 {
		batching += fmt.Sprintf(" with a delay of %v", o.BatchDelay)
	}
	about := []string{
		fmt.Sprintf("%s; proposals from within %s, %s", where, at, loop),
		fmt.Sprintf("sync %s, batching %s; each load %v after %v of warm-up", onOff(o.Durable), batching, o.measured(), o.warmup()),
		fmt.Sprintf("%s, %s/%s, %d processors, logs in %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), dir),
	}
	if o.Durable && inMemory(dir) {
		about = append(about, "NOTE: that directory is in memory, where a sync costs nothing; choose a disk with -dir")
	}
	return about
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
