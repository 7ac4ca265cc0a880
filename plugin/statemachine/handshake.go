package statemachine

import (
	"context"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

const (
	// protocolVersion is that of statemachine.proto. A host may know several.
	protocolVersion = 1

	// A child is started with this in its environment, so that a person who
	// starts it by hand is told what it is.
	cookieName  = "PHXPAXOS_STATEMACHINE"
	cookieValue = "7c1f4d0a9be2"

	pluginName = "statemachine"

	// messageBytesMax bounds a message: the largest value of a cluster has 50
	// MiB, so that a batch or its results stay below twice of that.
	messageBytesMax = 128 << 20

	// streamWindow and connWindow are how much may be under way on a stream,
	// and on all of them. Fixed ones spare the messages by which gRPC measures
	// a network that is none here; a larger message goes in several steps.
	streamWindow = 4 << 20
	connWindow   = 16 << 20
)

var handshake = goplugin.HandshakeConfig{MagicCookieKey: cookieName, MagicCookieValue: cookieValue}

// service is what go-plugin asks for on both sides.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	server pb.StateMachineServer // of the child
}

func (s *service) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pb.RegisterStateMachineServer(g, s.server)
	return nil
}

func (s *service) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return pb.NewStateMachineClient(conn), nil
}
