//go:build !phxpaxos_base

package main

import (
	"context"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// level returns the features in force, as far as node knows them.
func level(node *phxpaxos.Node) *protocol.Level {
	s := node.Features()
	return &protocol.Level{Level: uint32(s.Level), Limit: uint32(s.Limit), At: time.Now()}
}

// limitLevel sets the highest level that the cluster may use.
func limitLevel(ctx context.Context, node *phxpaxos.Node, limit uint32) error {
	return node.LimitFeatures(ctx, phxpaxos.FeatureLevel(limit))
}
