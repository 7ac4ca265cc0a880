package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/phxecho/echo"
)

const prompt = "\nplease input: <echo req value>\n"

// serve runs one node from its first to its last moment and returns the exit
// code. It ends cleanly at the end of stdin and when ctx is cancelled.
func serve(ctx context.Context, o options, stdin io.Reader, out *console, stderr io.Writer) int {
	warn := func(format string, args ...any) { fmt.Fprintf(stderr, "phxecho: "+format+"\n", args...) }
	if err := o.MakeLogPath(); err != nil {
		out.print(fmt.Sprintf("Create dir fail, path %s\n", o.LogPath()))
		warn("%s", o.Explain(err))
		return cmdline.ExitFail
	}
	logs, err := openLogger(o.logDir)
	if err != nil {
		out.print(fmt.Sprintf("get logger_google fail, ret %d\n", phxpaxos.Code(err)))
		warn("%v; choose a writable directory with -log_dir", err)
		return cmdline.ExitFail
	}
	defer logs.Close()
	mon, err := o.Monitor.Start(stderr)
	if err != nil {
		warn("%v", err)
		return cmdline.ExitFail
	}
	defer mon.Close()
	logger := slog.New(logs)
	m, end, err := openMachine(o.machine, out, logger)
	if err != nil {
		out.print(fmt.Sprintf("load state machine fail, ret %d\n", phxpaxos.Code(err)))
		warn("%v; correct the path behind -sm", err)
		return cmdline.ExitFail
	}
	defer end.Close()
	net, err := o.TLS.Network(network.Config{Me: o.Me, Logger: logger, Secret: o.Secret}) // reports to the node
	var node *phxpaxos.Node
	if err == nil {
		node, err = phxpaxos.Run(phxpaxos.Options{
			LogStoragePath: o.LogPath(),
			LogLayout:      phxpaxos.LayoutOriginal, // the original's programs may open it
			MyNode:         o.Me,
			Nodes:          o.Nodes,
			Network:        net,
			StateMachines:  []sm.StateMachine{m},
			Logger:         logger,
			Observer:       mon.Observer(),
		})
	}
	if err != nil {
		out.print(fmt.Sprintf("run paxos fail, ret %d\n", phxpaxos.Code(err)))
		warn("%s", o.Explain(err))
		return cmdline.ExitFail
	}
	if err := mon.Watch(node); err != nil {
		warn("%v", err)
	}
	out.start("run paxos ok\n" + banner(o.Me) + prompt)

	err = converse(ctx, node, stdin, out, warn)
	if closeErr := node.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("closing the node: %w", closeErr))
	}
	if err != nil {
		warn("%v", err)
		return cmdline.ExitFail
	}
	return cmdline.ExitOK
}

func banner(me nodeid.ID) string {
	addr := me.AddrPort()
	return fmt.Sprintf("echo server start, ip %s port %d\n", addr.Addr(), addr.Port())
}

// converse proposes line after line until the input or ctx ends; both are no
// error. It waits as long as a majority is missing.
func converse(ctx context.Context, node *phxpaxos.Node, stdin io.Reader, out *console, warn func(string, ...any)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := readLines(ctx, stdin)
	for {
		value, err := lines.next(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the input: %w", err)
		}
		result, err := node.Propose(ctx, 0, echo.ID, value)
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err != nil:
			code := phxpaxos.Code(err)
			warn("%v", err)
			out.print(fmt.Sprintf("paxos propose fail, ret %d\nEcho fail, ret %d\n%s", code, code, prompt))
		default:
			// One write, so that no other node's value comes between.
			out.print(fmt.Sprintf("echo resp value %s\n%s", untilNUL(result.Output), prompt))
		}
	}
}
