// Command plugin_chaos runs a cluster of three nodes, one of which has its
// state machine in a process of its own, and kills or stops that process at
// random moments under load. After each time it compares the state in the
// process, and every result that was acknowledged, with the state machines of
// the other nodes, which are part of this program. Every tenth time the node
// itself is closed and opened again.
//
//	go run ./tools/plugin_chaos                  # 100 times
//	go run ./tools/plugin_chaos -memory          # the process keeps nothing on disk
//	go run ./tools/plugin_chaos -bench 2s        # throughput beside a state machine in this program
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

// The program is also the process of the state machine; then these are set.
const (
	childEnv = "PLUGIN_CHAOS_CHILD" // instances between two checkpoints, 0: in memory only
	dirEnv   = "PLUGIN_CHAOS_DIR"
)

func main() {
	if every := os.Getenv(childEnv); every != "" {
		if err := serve(every); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "plugin_chaos:", err)
		os.Exit(1)
	}
}

// settings is what the command line says.
type settings struct {
	kills   int
	seed    uint64
	callers int
	groups  int
	memory  bool
	bench   time.Duration
	pairs   int
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("plugin_chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&s.kills, "kills", 100, "how often the process is killed or stopped")
	flags.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of the random moments")
	flags.IntVar(&s.callers, "callers", 30, "callers that propose at once")
	flags.IntVar(&s.groups, "groups", 2, "groups of the cluster")
	flags.BoolVar(&s.memory, "memory", false, "the process keeps no durable state")
	flags.DurationVar(&s.bench, "bench", 0, "measure throughput instead, for so long each time")
	flags.IntVar(&s.pairs, "pairs", 5, "how often both are measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.kills < 1 || s.callers < 1 || s.groups < 1 || s.pairs < 1 {
		return errors.New("-kills, -callers, -groups and -pairs must be at least 1")
	}
	dir, err := os.MkdirTemp("", "plugin_chaos")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.bench > 0 {
		return bench(ctx, s, dir, out)
	}
	return chaos(ctx, s, dir, out)
}

// served is the state machine of the child; it also tells its process.
type served struct{ *ledger.Ledger }

func (s served) Query(ctx context.Context, group int, request []byte) ([]byte, error) {
	if string(request) == "pid" {
		return strconv.AppendInt(nil, int64(os.Getpid()), 10), nil
	}
	return s.Ledger.Query(ctx, group, request)
}

func serve(every string) error {
	n, err := strconv.ParseUint(every, 10, 64)
	if err != nil {
		return err
	}
	dir := os.Getenv(dirEnv)
	if n == 0 {
		dir = ""
	}
	l, err := ledger.Open(dir, n)
	if err != nil {
		return err
	}
	return statemachine.Serve(served{l})
}
