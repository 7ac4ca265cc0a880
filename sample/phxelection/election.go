package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// lease is for how long a master is elected.
const lease = 3 * time.Second

// serve runs one node until ctx is cancelled and returns the exit code. The
// node has one group and no state machine: the master is all it agrees on.
func serve(ctx context.Context, o cmdline.Options, out *console, stderr io.Writer) int {
	warn := func(format string, args ...any) { fmt.Fprintf(stderr, "phxelection: "+format+"\n", args...) }
	if err := o.MakeLogPath(); err != nil {
		out.print(fmt.Sprintf("Create dir fail, path %s\n", o.LogPath()))
		warn("%s", o.Explain(err))
		return cmdline.ExitFail
	}
	mon, err := o.Monitor.Start(stderr)
	if err != nil {
		warn("%v", err)
		return cmdline.ExitFail
	}
	defer mon.Close()
	node, err := open(o, out, mon, stderr)
	if err != nil {
		out.print(fmt.Sprintf("run paxos fail, ret %d\n", phxpaxos.Code(err)))
		warn("%s", o.Explain(err))
		return cmdline.ExitFail
	}
	if err := mon.Watch(node); err != nil {
		warn("%v", err)
	}
	out.start("run paxos ok\n")
	err = report(ctx, node, out)
	// As master it hands over before it leaves.
	if closeErr := node.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("closing the node: %w", closeErr))
	}
	if err != nil {
		warn("%v", err)
		return cmdline.ExitFail
	}
	return cmdline.ExitOK
}

// open starts the node. What its network has to say, refusals above all, goes
// to stderr.
func open(o cmdline.Options, out *console, mon *monitor.Monitor, stderr io.Writer) (*phxpaxos.Node, error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	net, err := o.TLS.Network(network.Config{Me: o.Me, Logger: log, Secret: o.Secret}) // reports to the node
	if err != nil {
		return nil, err
	}
	return phxpaxos.Run(phxpaxos.Options{
		LogStoragePath:           o.LogPath(),
		LogLayout:                phxpaxos.LayoutOriginal, // the original's programs may open it
		MyNode:                   o.Me,
		Nodes:                    o.Nodes,
		Network:                  net,
		UseMaster:                true,
		Observer:                 mon.Observer(),
		MasterLease:              lease,
		ChangeValueBeforePropose: true,
		MasterChanged: func(group int, node nodeid.ID, version uint64) {
			out.event(changeLine(group, node, version))
		},
	})
}

// report prints the master every second until ctx is cancelled, which is no
// error, or the group stops.
func report(ctx context.Context, node *phxpaxos.Node, out *console) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-second.C:
		case <-ctx.Done():
			return nil
		}
		master, version, err := node.MasterWithVersion(0)
		if err != nil {
			return err
		}
		out.print(masterLine(master, version))
	}
}

// masterLine says who is master: nobody is node 0 at 0.0.0.0, port 0.
func masterLine(node nodeid.ID, version uint64) string {
	addr := node.AddrPort()
	return fmt.Sprintf("master: nodeid %d version %d ip %s port %d\n", uint64(node), version, addr.Addr(), addr.Port())
}

func changeLine(group int, node nodeid.ID, version uint64) string {
	addr := node.AddrPort()
	return fmt.Sprintf("master change!!! groupidx %d newmaster ip %s port %d version %d\n", group, addr.Addr(), addr.Port(), version)
}
