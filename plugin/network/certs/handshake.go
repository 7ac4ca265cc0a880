package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Accept proves who has dialled and returns the encrypted connection, which
// speaks protocol (an ALPN name), and who it is. It blocks for at most
// Config.HandshakeTimeout, and uses raw's deadline for that. If it returns an
// error, raw is still open. The error is io.EOF if the other end closed instead
// of proving anything; all others wrap network.ErrRefused and were reported.
func (g *Guard) Accept(raw net.Conn, protocol string) (*tls.Conn, *Session, error) {
	if err := raw.SetDeadline(time.Now().Add(g.cfg.HandshakeTimeout)); err != nil {
		return nil, nil, g.refuse(raw.RemoteAddr(), err)
	}
	s := &Session{g: g, remote: raw.RemoteAddr(), use: x509.ExtKeyUsageClientAuth}
	conn := tls.Server(raw, g.server(s, protocol))
	err := conn.HandshakeContext(context.Background())
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("it did not prove who it is within %v", g.cfg.HandshakeTimeout)
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, nil, g.refuse(raw.RemoteAddr(), err)
	}
	return conn, s, nil
}

// Connect proves who was dialled: that it is let in, and that it is peer, if
// ids are tied to names and peer is one. It ends with ctx. If it returns an
// error, raw is still open, and is of no use any more. A peer that refuses this
// node may say so only on the first Read.
func (g *Guard) Connect(ctx context.Context, raw net.Conn, peer nodeid.ID, protocol string) (*tls.Conn, *Session, error) {
	s := &Session{g: g, remote: raw.RemoteAddr(), use: x509.ExtKeyUsageServerAuth, peer: peer}
	conn := tls.Client(raw, g.client(s, protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("TLS: %w", err)
	}
	return conn, s, nil
}

// server is the configuration of one accepted connection.
func (g *Guard) server(s *Session, protocol string) *tls.Config {
	st := g.current()
	return &tls.Config{
		Certificates:                []tls.Certificate{st.own},
		ClientAuth:                  tls.RequireAnyClientCert, // judged by verify
		NextProtos:                  []string{protocol},
		VerifyConnection:            g.verify(s, st, protocol),
		MinVersion:                  tls.VersionTLS13,
		SessionTicketsDisabled:      true, // each connection proves anew who it is
		DynamicRecordSizingDisabled: true, // nobody waits for half a packet
	}
}

// client is the configuration of one dialled connection.
func (g *Guard) client(s *Session, protocol string) *tls.Config {
	st := g.current()
	return &tls.Config{
		Certificates: []tls.Certificate{st.own},
		// The standard check compares the name with the address. Here verify
		// does all of it but that, since a node is known by its id.
		InsecureSkipVerify:          true,
		NextProtos:                  []string{protocol},
		VerifyConnection:            g.verify(s, st, protocol),
		MinVersion:                  tls.VersionTLS13,
		DynamicRecordSizingDisabled: true,
	}
}

// verify judges the other end of a connection and fills in its session.
func (g *Guard) verify(s *Session, st *state, protocol string) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("no certificate")
		}
		s.chain, s.names = cs.PeerCertificates, namesOf(cs.PeerCertificates[0])
		if err := s.judge(st, time.Now()); err != nil {
			return err
		}
		if cs.NegotiatedProtocol != protocol {
			return fmt.Errorf("it does not speak %s", protocol)
		}
		return nil
	}
}

// ServerConfig returns a configuration for a server that is no network, such as
// a service of the application: it shows this node's certificate and lets in
// whom the Guard lets in. It follows changes; who is connected stays. Refusals
// are reported by the server, not by the Guard.
func (g *Guard) ServerConfig() *tls.Config {
	c := g.shared(x509.ExtKeyUsageClientAuth)
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		own := g.current().own
		return &own, nil
	}
	return c
}

// ClientConfig returns a configuration for clients of such servers: it shows
// this node's certificate, and lets in whom the Guard lets in, wherever that
// listens. It follows changes.
func (g *Guard) ClientConfig() *tls.Config {
	c := g.shared(x509.ExtKeyUsageServerAuth)
	c.InsecureSkipVerify = true // VerifyConnection does it, but for the host name
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		own := g.current().own
		return &own, nil
	}
	return c
}

// shared is what both have in common. It has no certificate of its own.
func (g *Guard) shared(use x509.ExtKeyUsage) *tls.Config {
	return &tls.Config{
		ClientAuth:             tls.RequireAnyClientCert,
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errors.New("no certificate")
			}
			s := &Session{g: g, use: use, chain: cs.PeerCertificates, names: namesOf(cs.PeerCertificates[0])}
			return s.judge(g.current(), time.Now())
		},
	}
}
