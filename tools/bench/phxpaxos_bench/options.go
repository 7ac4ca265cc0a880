package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/secretflags"
)

// Limits, with reasons.
const (
	nodesMax      = 9       // more processes than that measure the machine's scheduler
	callersMax    = 100000  // each is a goroutine
	valueBytesMax = 8 << 20 // the library's limit is 10 MiB with what is around a value
	secondsMax    = 3600
	rateMax       = 1e7
	stallMax      = time.Minute // callers give up soon after

	logInstancesMax = 100_000_000 // some 20 GB for each node
	logValueBytes   = 100

	// openCallers is how many operations of an open loop may be under way.
	openCallers = 1000
)

// options is what the command line says.
type options struct {
	Groups       int
	ValueBytes   int
	Callers      []int
	Rate         float64
	FullHistory  bool // Options.FullHistory
	Durable      bool
	Batch        bool
	BatchDelay   time.Duration
	LogInstances int
	Stall        time.Duration
	Seconds      float64
	Warmup       float64
	Nodes        int
	Storage      string
	At           int // number of the node that proposes, from 1; 0 for all
	Dir          string
	JSON         bool
	Markdown     string
	SVG          string
	CPUProfile   string
	AllocProfile string
	Secret       secretflags.Flags

	Matrix        bool
	MatrixGroups  []int
	MatrixValues  []int
	MatrixCallers []int

	Join []nodeid.ID // the external cluster
	Me   int         // index into Join
}

// row is one load, and one row of the table.
type row struct {
	Groups     int
	ValueBytes int
	Callers    int
}

// rows is the plan, in an order in which loads that can share a cluster
// follow each other.
func (o *options) rows() []row {
	groups, values, callers := []int{o.Groups}, []int{o.ValueBytes}, o.Callers
	if o.Matrix {
		groups, values, callers = o.MatrixGroups, o.MatrixValues, o.MatrixCallers
	}
	var all []row
	for _, g := range groups {
		for _, v := range values {
			for _, c := range callers {
				all = append(all, row{g, v, c})
			}
		}
	}
	return all
}

func (o *options) measured() time.Duration { return seconds(o.Seconds) }
func (o *options) warmup() time.Duration   { return seconds(o.Warmup) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// parseArgs reads the command line. Errors name flag, value and rule.
func parseArgs(args []string, output io.Writer) (*options, error) {
	o := &options{
		ValueBytes: 100, Callers: []int{1, 10, 100, 1000}, Durable: true, Batch: true, At: 1, Storage: "shared",
		MatrixGroups: []int{1, 20, 100, 1000}, MatrixValues: []int{16, 100, 2 << 10, 100 << 10},
		MatrixCallers: []int{1, 10, 100, 1000},
	}
	var join, me string
	flags := flag.NewFlagSet("phxpaxos_bench", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&o.Groups, "groups", 1, "how many groups")
	flags.Func("value", "`bytes` of a value, such as 100 or 2KiB (default 100)", one(parseSize, &o.ValueBytes))
	flags.Func("callers", "how many callers propose at once, 0 to see an idle cluster; several `numbers` are tried in turn (default 1,10,100,1000; with -rate 1000)", many(strconv.Atoi, &o.Callers))
	flags.Float64Var(&o.Rate, "rate", 0, "open loop: so many operations a second are due; 0 means that callers propose as fast as they get answers")
	flags.Func("durable", "on or off: whether nodes sync their logs (default on)", one(parseOnOff, &o.Durable))
	flags.Func("batch", "on or off: whether proposals share instances (default on)", one(parseOnOff, &o.Batch))
	flags.DurationVar(&o.BatchDelay, "batch-delay", 0, "how long a proposal waits to be joined by more (Options.Batch.Delay)")
	flags.IntVar(&o.LogInstances, "log", 0, fmt.Sprintf("how many instances of %d B the log of each group holds at the start", logValueBytes))
	flags.DurationVar(&o.Stall, "stall", 0, "measure each load once more, while the disk of the first proposing node stands still for so long")
	flags.BoolVar(&o.FullHistory, "full-history", false, "compare every byte of the history (Options.FullHistory)")
	flags.Float64Var(&o.Seconds, "seconds", 3, "how long each load is measured")
	flags.Float64Var(&o.Warmup, "warmup", 1, "how many seconds it runs before that")
	flags.IntVar(&o.Nodes, "nodes", 3, "how many nodes, one process each")
	flags.Func("at", "`number` of the node that proposes, or all (default 1)", one(parseAt, &o.At))
	flags.Func("storage", "original or shared: the `layout` of the logs (default shared)", func(v string) error {
		if v != "original" && v != "shared" {
			return errors.New("must be original or shared")
		}
		o.Storage = v
		return nil
	})
	flags.StringVar(&o.Dir, "dir", "", "`directory` in which the nodes get temporary ones; its disk is what is measured (default: the system's for temporary files)")
	o.Secret.Register(flags)
	flags.BoolVar(&o.JSON, "json", false, "print everything that was counted, as JSON")
	flags.StringVar(&o.Markdown, "markdown", "", "write the table to this `file`")
	flags.StringVar(&o.SVG, "svg", "", "write a plot to this `file`")
	flags.StringVar(&o.CPUProfile, "cpuprofile", "", "write a profile of the first proposing node's measured time to this `file`, one for each load")
	flags.StringVar(&o.AllocProfile, "allocprofile", "", "write an allocation profile of the first proposing node's whole life to this `file`")
	flags.BoolVar(&o.Matrix, "matrix", false, "run a table of groups, values and callers; writes phxpaxos_bench.md and phxpaxos_bench.svg unless -markdown and -svg say otherwise")
	flags.Func("matrix-groups", "`numbers` of groups (default 1,20,100,1000)", many(strconv.Atoi, &o.MatrixGroups))
	flags.Func("matrix-values", "`sizes` of values (default 16,100,2KiB,100KiB)", many(parseSize, &o.MatrixValues))
	flags.Func("matrix-callers", "`numbers` of callers (default 1,10,100,1000)", many(strconv.Atoi, &o.MatrixCallers))
	flags.StringVar(&join, "join", "", "run one node of a cluster with these `addresses`, ip:port,…; start all of its nodes afresh")
	flags.StringVar(&me, "me", "", "with -join: the `address` of this node")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := o.clash(given); err != nil {
		return nil, err
	}
	if err := o.join(join, me); err != nil {
		return nil, err
	}
	o.complete(given)
	return o, o.validate()
}

// complete fills in defaults that depend on other flags.
func (o *options) complete(given map[string]bool) {
	if o.Rate != 0 && !given["callers"] {
		o.Callers = []int{openCallers}
	}
	if o.Matrix && o.Markdown == "" {
		o.Markdown = "phxpaxos_bench.md"
	}
	if o.Matrix && o.SVG == "" {
		o.SVG = "phxpaxos_bench.svg"
	}
	// The children work elsewhere, one day; a name means the same to all.
	for _, name := range []*string{&o.CPUProfile, &o.AllocProfile, &o.Secret.File} {
		if abs, err := filepath.Abs(*name); *name != "" && err == nil {
			*name = abs
		}
	}
}

// clash refuses flags that have no meaning together.
func (o *options) clash(given map[string]bool) error {
	for _, c := range []struct {
		first, second string
		bad           bool
	}{
		{"matrix", "rate", o.Matrix},
		{"matrix", "join", o.Matrix},
		{"matrix", "groups", o.Matrix},
		{"matrix", "value", o.Matrix},
		{"matrix", "callers", o.Matrix},
		{"join", "nodes", given["join"]},
	} {
		if c.bad && given[c.second] {
			return fmt.Errorf("-%s and -%s exclude each other", c.first, c.second)
		}
	}
	for _, name := range []string{"matrix-groups", "matrix-values", "matrix-callers"} {
		if given[name] && !o.Matrix {
			return fmt.Errorf("-%s needs -matrix", name)
		}
	}
	if given["me"] != given["join"] {
		return errors.New("-join and -me need each other")
	}
	return nil
}

// join reads the addresses of an external cluster.
func (o *options) join(list, me string) error {
	if list == "" {
		return nil
	}
	for text := range strings.SplitSeq(list, ",") {
		id, err := nodeid.Parse(text)
		if err != nil {
			return fmt.Errorf("-join: %w", err)
		}
		if slices.Contains(o.Join, id) {
			return fmt.Errorf("-join has %v twice", id)
		}
		o.Join = append(o.Join, id)
	}
	id, err := nodeid.Parse(me)
	if err != nil {
		return fmt.Errorf("-me: %w", err)
	}
	if o.Me = slices.Index(o.Join, id); o.Me < 0 {
		return fmt.Errorf("-me is %v, must be one of the addresses of -join", id)
	}
	o.Nodes = len(o.Join)
	return nil
}

func (o *options) validate() error {
	if err := o.validateRows(); err != nil {
		return err
	}
	if _, err := o.Secret.Secret(); err != nil {
		return err
	}
	switch {
	case o.Nodes < 1 || o.Nodes > nodesMax:
		return fmt.Errorf("-nodes is %d, must be in 1..%d", o.Nodes, nodesMax)
	case o.At < 0 || o.At > o.Nodes:
		return fmt.Errorf("-at is %d, must be in 1..%d or all", o.At, o.Nodes)
	case !(o.Seconds >= 0.1 && o.Seconds <= secondsMax): // NaN is not either
		return fmt.Errorf("-seconds is %v, must be in 0.1..%d", o.Seconds, secondsMax)
	case !(o.Warmup >= 0 && o.Warmup <= secondsMax):
		return fmt.Errorf("-warmup is %v, must be in 0..%d", o.Warmup, secondsMax)
	case o.BatchDelay < 0 || o.BatchDelay > time.Second:
		return fmt.Errorf("-batch-delay is %v, must be in 0..1s", o.BatchDelay)
	case o.BatchDelay > 0 && !o.Batch:
		return errors.New("-batch-delay needs -batch on")
	case o.LogInstances < 0 || o.LogInstances > logInstancesMax:
		return fmt.Errorf("-log is %d, must be in 0..%d", o.LogInstances, logInstancesMax)
	case o.LogInstances > 0 && len(o.Join) > 0:
		return errors.New("-log and -join exclude each other")
	case o.Stall < 0 || o.Stall > stallMax:
		return fmt.Errorf("-stall is %v, must be in 0..%v", o.Stall, stallMax)
	case !(o.Rate == 0 || o.Rate >= 0.1 && o.Rate <= rateMax):
		return fmt.Errorf("-rate is %v, must be 0 or in 0.1..%v", o.Rate, float64(rateMax))
	}
	return nil
}

func (o *options) validateRows() error {
	prefix, value := "-", "value"
	groups, values, callers := []int{o.Groups}, []int{o.ValueBytes}, o.Callers
	if o.Matrix {
		prefix, value = "-matrix-", "values"
		groups, values, callers = o.MatrixGroups, o.MatrixValues, o.MatrixCallers
	}
	for _, c := range []struct {
		name      string
		numbers   []int
		low, high int
	}{
		{"groups", groups, 1, phxpaxos.GroupsMax},
		{value, values, 1, valueBytesMax},
		{"callers", callers, 0, callersMax},
	} {
		for _, n := range c.numbers {
			if n < c.low || n > c.high {
				return fmt.Errorf("%s%s is %d, must be in %d..%d", prefix, c.name, n, c.low, c.high)
			}
		}
	}
	return nil
}

// one makes a flag of a function that reads a value.
func one[T any](parse func(string) (T, error), to *T) func(string) error {
	return func(s string) (err error) {
		*to, err = parse(s)
		return err
	}
}

// many is one for lists with commas; the last flag counts.
func many[T any](parse func(string) (T, error), to *[]T) func(string) error {
	return func(s string) error {
		var all []T
		for text := range strings.SplitSeq(s, ",") {
			v, err := parse(strings.TrimSpace(text))
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		*to = all
		return nil
	}
}

func parseOnOff(s string) (bool, error) {
	switch s {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, errors.New("must be on or off")
}

func parseAt(s string) (int, error) {
	if s == "all" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, errors.New("must be the number of a node, from 1, or all")
	}
	return n, nil
}

// parseSize reads a number of bytes.
func parseSize(s string) (int, error) {
	number, factor := s, 1
	for _, u := range []struct {
		suffix string
		factor int
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			number, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > valueBytesMax {
		return 0, fmt.Errorf("must be a size in 0..%d such as 100, 2KiB or 1MiB", valueBytesMax)
	}
	return n * factor, nil
}
