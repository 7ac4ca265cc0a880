package grpcnet

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
)

// http2 is what TLS has to negotiate.
const http2 = "h2"

// creds lets a guard do the handshakes of gRPC.
type creds struct {
	guard *certs.Guard
	peer  nodeid.ID // that is dialled
}

// credentialsFor returns how connections are secured, those to peer if one is
// dialled.
func (t *transport) credentialsFor(peer nodeid.ID) credentials.TransportCredentials {
	if t.guard == nil {
		return insecure.NewCredentials()
	}
	return creds{t.guard, peer}
}

// who is the other end of a connection.
type who struct {
	credentials.CommonAuthInfo
	session *certs.Session
}

// AuthType names the kind of proof.
func (who) AuthType() string { return "tls" }

func proven(s *certs.Session) credentials.AuthInfo {
	return who{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, s}
}

// ClientHandshake implements credentials.TransportCredentials.
func (c creds) ClientHandshake(ctx context.Context, _ string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, session, err := c.guard.Connect(ctx, raw, c.peer, http2)
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	return conn, proven(session), nil
}

// ServerHandshake implements credentials.TransportCredentials.
func (c creds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, session, err := c.guard.Accept(raw, http2)
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	return conn, proven(session), nil
}

// Info implements credentials.TransportCredentials.
func (c creds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (c creds) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials. Names of
// servers do not matter here.
func (c creds) OverrideServerName(string) error { return nil }

// sessionOf returns who the other end of a call is, nil without TLS.
func sessionOf(ctx context.Context) *certs.Session {
	if p, ok := peer.FromContext(ctx); ok {
		if w, ok := p.AuthInfo.(who); ok {
			return w.session
		}
	}
	return nil
}
