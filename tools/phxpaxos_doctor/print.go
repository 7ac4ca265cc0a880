package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// printReport prints a report for people. The last line is the verdict.
func printReport(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, r.Dir)
	if o := r.Owner; o != nil {
		fmt.Fprintf(&b, "node %s, cluster %s, %d groups, %s layout, directory %s, incarnation %d\n",
			o.Node, o.Cluster, o.Groups, o.Layout, o.Directory, o.Incarnation)
	}
	for _, g := range r.Groups {
		printGroup(&b, g)
	}
	for _, f := range r.Findings {
		printFinding(&b, f)
	}
	fmt.Fprintf(&b, "\n%s\n", verdicts[r.worst])
	_, err := w.Write(b.Bytes())
	return err
}

var verdicts = [...]string{
	"healthy",
	"suspicious: a node would repair this by itself or live with it; read the lines above before you start one",
	"no verdict: a newer version has written this; install it again, and ask its phxpaxos_doctor",
	"damaged: do not start a node on this; keep a copy of the directory, and bring back a good one or let the node join anew under another address",
}

func printGroup(b *bytes.Buffer, g *GroupReport) {
	fmt.Fprintf(b, "\ngroup %d\n", g.Group)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	if g.First == nil {
		line("instances", "none")
	} else {
		line("instances", "%d … %d, %d of them", *g.First, *g.Last, g.Instances)
	}
	line("records", "%d in %d files, %d bytes%s", g.Records, len(g.Files), g.Bytes, toIndex(g))
	c := g.Checksums
	line("checksums", "%d by CRC-32C, %d by every 8th byte only, %d by none; %d values chained", c.Full, c.Sampled, c.None, c.Chained)
	line("min chosen", "%d", g.MinChosen)
	if g.Promised != "" {
		line("promised", "%s", g.Promised)
	}
	line("cluster", "%d%s", g.Cluster, version(g.MembersAt))
	if len(g.Members) > 0 {
		line("members", "%s", strings.Join(g.Members, " "))
	}
	if g.Master != "" {
		line("master", "%s%s", g.Master, version(g.MasterAt))
	}
	switch {
	case g.Closed:
		line("ended", "closed in order")
	case g.Original:
		line("ended", "by an original node")
	default:
		line("ended", "without being closed")
	}
	for _, f := range g.Findings {
		printFinding(b, f)
	}
	checks := make([]string, 0, len(g.More))
	for check := range g.More {
		checks = append(checks, check)
	}
	slices.Sort(checks)
	for _, check := range checks {
		fmt.Fprintf(b, "  … and %d more of %s\n", g.More[check], check)
	}
}

func toIndex(g *GroupReport) string {
	if g.ToBeIndex == 0 {
		return ""
	}
	return fmt.Sprintf("; the next start puts %d of them into the index", g.ToBeIndex)
}

func version(at *uint64) string {
	if at == nil {
		return ""
	}
	return fmt.Sprintf(", set by instance %d", *at)
}

func printFinding(b *bytes.Buffer, f Finding) {
	where := f.Where()
	if where != "" {
		where += ": "
	}
	fmt.Fprintf(b, "  %-10s [%s] %s%s\n", strings.ToUpper(f.Severity.String()), f.Check, where, f.Text)
}
