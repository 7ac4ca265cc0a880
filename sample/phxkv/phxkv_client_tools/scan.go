package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
)

// scan prints the keys that a server has. It has no timeout of its own, since
// a database may be large.
func (t *tool) scan(ctx context.Context) int {
	flags := flag.NewFlagSet("scan", flag.ContinueOnError)
	limit := flags.Uint64("limit", 0, "the most keys to print, 0 for all")
	if exit, ok := t.parseFlags(flags, 1); !ok {
		return exit
	}
	prefix, err := t.encoding.decode(flags.Arg(0))
	if err != nil {
		t.warn("prefix: %v", err)
		return exitUsage
	}
	out := bufio.NewWriter(t.stdout)
	count := 0
	err = t.client.Scan(ctx, prefix, *limit, func(key string, data *phxkv.Data) error {
		count++
		_, err := fmt.Fprintf(out, "key %s value %s version %d\n", t.encoding.encode(key), t.encoding.encode(string(data.Value)), data.Version)
		return err
	})
	if err == nil {
		fmt.Fprintf(out, "Scan ok, keys %d\n", count)
	} else {
		fmt.Fprintf(out, "Scan fail, ret %d, keys %d\n", phxkv.CodeFail, count)
		t.warn("%v", err)
	}
	if flushErr := out.Flush(); flushErr != nil {
		t.warn("writing the answer: %v", flushErr)
		return exitFail
	}
	if err != nil {
		return exitFail
	}
	return exitOK
}
