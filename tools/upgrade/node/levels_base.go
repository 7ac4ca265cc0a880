//go:build phxpaxos_base

package main

import (
	"context"
	"errors"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// level: this version has no levels.
func level(*phxpaxos.Node) *protocol.Level { return nil }

func limitLevel(context.Context, *phxpaxos.Node, uint32) error {
	return errors.New("this version has no feature levels; ask a node of a newer version")
}
