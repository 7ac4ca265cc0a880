package certs_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

func Example() {
	dir, err := os.MkdirTemp("", "certs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	authority, err := certtest.New(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	pair, err := authority.Issue(certtest.Leaf{Names: []string{"node1.paxos.example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := certs.New(certs.Config{
		CertFile: pair.CertFile, KeyFile: pair.KeyFile, CAFile: authority.CAFile,
		Allow: []string{"*.paxos.example"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(guard.SetAllow([]string{"*.paxos.example", "backup.example"}, nil))
	fmt.Println(guard.SetAllow([]string{"node*.example"}, nil))
	// Output:
	// <nil>
	// bad certificate configuration: Allow[0] is "node*.example", "*" must stand alone, or for the first label as in "*.example.com"
}

// config is a complete configuration with a certificate.
func config(t testing.TB, a *certtest.Authority, l certtest.Leaf) certs.Config {
	t.Helper()
	p := certtest.Issue(t, a, l)
	return certs.Config{CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: a.CAFile, Allow: []string{"*"}}
}

func open(t testing.TB, c certs.Config) *certs.Guard {
	t.Helper()
	g, err := certs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Relative paths mean what they meant when the files were read first.
func TestFilesOutliveChdir(t *testing.T) {
	base := t.TempDir()
	authority, err := certtest.New(base)
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, authority, certtest.Leaf{Names: []string{"node1.example"}})
	t.Chdir(base)
	for _, name := range []*string{&c.CertFile, &c.KeyFile, &c.CAFile} {
		relative, err := filepath.Rel(base, *name)
		if err != nil {
			t.Fatal(err)
		}
		*name = relative
	}
	g := open(t, c)
	t.Chdir(t.TempDir())
	if err := g.Reload(); err != nil {
		t.Error(err)
	}
}

// link is a connection within this machine. (One of net.Pipe would not do: both
// ends of a handshake that fails write and do not read.)
func link(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// meet lets two guards meet, the second as peer. It returns what each of them
// says.
func meet(t testing.TB, accepts, dials *certs.Guard, peer nodeid.ID) (session *certs.Session, acceptErr, dialErr error) {
	t.Helper()
	server, client := link(t)
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer client.Close()
		conn, _, err := dials.Connect(t.Context(), client, peer, "test/1")
		if err == nil {
			_, err = conn.Read(make([]byte, 1)) // hears of a refusal here
			if errors.Is(err, io.EOF) {
				err = nil
			}
		}
		dialErr = err
	}()
	_, session, acceptErr = accepts.Accept(server, "test/1")
	server.Close()
	<-done
	return session, acceptErr, dialErr
}

func TestNames(t *testing.T) {
	a := certtest.For(t)
	for _, c := range []struct {
		allow string
		leaf  certtest.Leaf
		in    bool
	}{
		{"a.example", certtest.Leaf{Names: []string{"a.example"}}, true},
		{"A.Example", certtest.Leaf{Names: []string{"a.eXample"}}, true},
		{"a.example", certtest.Leaf{Names: []string{"b.example", "a.example"}}, true},
		{"a.example", certtest.Leaf{Names: []string{"b.example"}}, false},
		{"a.example", certtest.Leaf{Names: []string{"a.example.evil"}}, false},
		{"a.example", certtest.Leaf{Names: []string{"*.example"}}, false},
		{"*.example", certtest.Leaf{Names: []string{"a.example"}}, true},
		{"*.example", certtest.Leaf{Names: []string{"*.example"}}, true},
		{"*.example", certtest.Leaf{Names: []string{"x.a.example"}}, false},
		{"*.example", certtest.Leaf{Names: []string{"example"}}, false},
		{"*.b.example", certtest.Leaf{Names: []string{"*.b.example", "x"}}, true},
		{"*.b.example", certtest.Leaf{Names: []string{"*.a.b.example"}}, false},
		{"127.0.0.1", certtest.Leaf{Names: []string{"127.0.0.1"}}, true},
		{"127.0.0.1", certtest.Leaf{Names: []string{"127.0.0.2"}}, false},
		{"node 7", certtest.Leaf{CommonName: "Node 7"}, true},
		{"node 7", certtest.Leaf{CommonName: "node 7", Names: []string{"a.example"}}, false},
		{"*.example", certtest.Leaf{CommonName: "a.example"}, true},
		{"a.example", certtest.Leaf{}, false},
		{"*", certtest.Leaf{}, true},
	} {
		cfg := config(t, a, certtest.Leaf{Names: []string{"server.example"}})
		cfg.Allow = []string{"nobody.at.all", c.allow}
		_, err, dialErr := meet(t, open(t, cfg), open(t, config(t, a, c.leaf)), 0)
		if c.in != (err == nil) || c.in != (dialErr == nil) {
			t.Errorf("%q for %v: %v, %v, want let in: %v", c.allow, c.leaf, err, dialErr, c.in)
		}
		if err != nil && !errors.Is(err, network.ErrRefused) {
			t.Errorf("%q: the error does not match ErrRefused: %v", c.allow, err)
		}
	}
}

// Ids that are tied to names hold in both directions.
func TestTiedIDs(t *testing.T) {
	a := certtest.For(t)
	tied := config(t, a, certtest.Leaf{Names: []string{"a.example"}})
	tied.Allow, tied.Nodes = []string{"free.example"}, map[nodeid.ID]string{1: "a.example", 2: "b.example", 3: "b.example"}
	guard := open(t, tied)
	packet := func(id nodeid.ID) []byte {
		return wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: id})
	}
	for name, ids := range map[string]map[nodeid.ID]bool{
		"b.example":    {1: false, 2: true, 3: true, 4: false, 0: false},
		"B.EXAMPLE":    {1: false, 2: true, 3: true, 4: false, 0: false},
		"free.example": {1: false, 2: false, 3: false, 4: true},
	} {
		other := open(t, config(t, a, certtest.Leaf{Names: []string{name}}))
		session, err, _ := meet(t, guard, other, 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for id, may := range ids {
			if err := session.Admit(packet(id)); may != (err == nil) || err != nil && !errors.Is(err, network.ErrRefused) {
				t.Errorf("%s sends as %d: %v, want %v", name, id, err, may)
			}
			if id == 0 {
				continue
			}
			if _, _, err := meet(t, other, guard, id); may != (err == nil) {
				t.Errorf("%s is dialled as %d: %v, want %v", name, id, err, may)
			}
		}
		if err := session.Admit([]byte("nothing that means anything")); err != nil {
			t.Errorf("%s sends what is no packet: %v", name, err)
		}
		if session.String() != name || session.Names()[0] != name {
			t.Errorf("%s is called %v", name, session)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	a, foreign := certtest.For(t), certtest.For(t)
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := config(t, a, certtest.Leaf{Names: []string{"b"}})
	for want, change := range map[string]func(*certs.Config){
		"CertFile is empty":                      func(c *certs.Config) { c.CertFile = "" },
		"KeyFile is empty":                       func(c *certs.Config) { c.KeyFile = "" },
		"CAFile is empty":                        func(c *certs.Config) { c.CAFile = "" },
		"Allow is empty":                         func(c *certs.Config) { c.Allow = nil },
		`Allow[1] is ""`:                         func(c *certs.Config) { c.Allow = []string{"a", ""} },
		`Allow[0] is "a*"`:                       func(c *certs.Config) { c.Allow = []string{"a*"} },
		"Nodes has a name for node 0":            func(c *certs.Config) { c.Nodes = map[nodeid.ID]string{0: "a"} },
		`is "*.a", must be one name`:             func(c *certs.Config) { c.Nodes = map[nodeid.ID]string{1: "*.a"} },
		"CheckInterval is 1ns, must be in 10ms":  func(c *certs.Config) { c.CheckInterval = 1 },
		"HandshakeTimeout is 2h0m0s, must be in": func(c *certs.Config) { c.HandshakeTimeout = 2 * time.Hour },
		"CAFile: open":                           func(c *certs.Config) { c.CAFile = filepath.Join(dir, "none") },
		"holds no certificate in PEM":            func(c *certs.Config) { c.CAFile = garbage },
		"garbage and KeyFile":                    func(c *certs.Config) { c.CertFile = garbage },
		"private key does not match":             func(c *certs.Config) { c.KeyFile = other.KeyFile },
		"is not accepted as a server's certificate by an authority in CAFile": func(c *certs.Config) { c.CAFile = foreign.CAFile },
		"is not accepted as a client's certificate": func(c *certs.Config) {
			p, err := a.Issue(certtest.Leaf{Uses: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
			if err != nil {
				t.Fatal(err)
			}
			c.CertFile, c.KeyFile = p.CertFile, p.KeyFile
		},
	} {
		c := config(t, a, certtest.Leaf{Names: []string{"a"}})
		change(&c)
		if g, err := certs.New(c); g != nil || !errors.Is(err, certs.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// from is a connection whose other end has an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// Each refusal counts, each host gets a line in a minute, whatever its port.
func TestRefusalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, rec, log := certtest.For(t), new(certtest.Events), new(certtest.Log)
		cfg := config(t, a, certtest.Leaf{Names: []string{"a.example"}})
		cfg.Observer, cfg.Logger = rec, slog.New(slog.NewTextHandler(log, nil))
		g := open(t, cfg)
		g.ReportTo(event.Func(func(event.Event) { t.Error("the configured observer was replaced") }))
		refuse := func(ip net.IP, port int) {
			t.Helper()
			server, client := net.Pipe()
			go func() {
				client.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
				client.Close()
			}()
			if _, _, err := g.Accept(from{server, &net.TCPAddr{IP: ip, Port: port}}, "test/1"); !errors.Is(err, network.ErrRefused) {
				t.Fatalf("Accept: %v", err)
			}
			server.Close()
		}
		one, two := net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::2")
		is := func(count, lines int) {
			t.Helper()
			refused, n := rec.Count(event.NetRefused, network.ErrRefused.Error()), log.Count("refused who connected")
			if refused != count || n != lines {
				t.Errorf("%d refusals with %d lines, want %d and %d", refused, n, count, lines)
			}
		}
		for i := range 10 {
			refuse(one, i)
		}
		is(10, 1)
		refuse(two, 1)
		is(11, 2)
		time.Sleep(59 * time.Second)
		refuse(one, 1)
		is(12, 2)
		time.Sleep(2 * time.Second)
		refuse(one, 1)
		is(13, 3)
		if text := log.String(); !strings.Contains(text, "from=192.0.2.1 ") || !strings.Contains(text, "from=2001:db8::2 ") || !strings.Contains(text, "suppressed=10") {
			t.Errorf("the log: %s", text)
		}
	})
}

// Who connects and says nothing, or leaves, costs a while and no refusal.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, rec := certtest.For(t), new(certtest.Events)
		cfg := config(t, a, certtest.Leaf{Names: []string{"a.example"}})
		cfg.Observer = rec
		g := open(t, cfg)
		server, client := net.Pipe()
		begin := time.Now()
		if _, _, err := g.Accept(server, "test/1"); err == nil || !strings.Contains(err.Error(), "within 5s") || time.Since(begin) != 5*time.Second {
			t.Errorf("silence: %v after %v", err, time.Since(begin))
		}
		client.Close()
		server, client = net.Pipe()
		time.AfterFunc(time.Second, func() { client.Close() })
		if _, _, err := g.Accept(server, "test/1"); err != io.EOF {
			t.Errorf("who leaves: %v, want EOF", err)
		}
		if n := rec.Count(event.NetRefused, ""); n != 1 {
			t.Errorf("%d refusals, want 1", n)
		}
	})
}

// A certificate that expires ends its sessions.
func TestExpiresWhileConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, rec := certtest.For(t), new(certtest.Events)
		cfg := config(t, a, certtest.Leaf{Names: []string{"a.example"}})
		cfg.Observer = rec
		accepts := open(t, cfg)
		short := certtest.Leaf{Names: []string{"b.example"}, NotAfter: time.Now().Add(time.Minute)}
		dials := open(t, config(t, a, short))
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		go dials.Connect(t.Context(), client, 0, "test/1")
		_, session, err := accepts.Accept(server, "test/1")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if err := session.Check(); err != nil {
			t.Errorf("a second before the end: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := session.Check(); !errors.Is(err, network.ErrRefused) || !strings.Contains(err.Error(), "expired") || rec.Count(event.NetRefused, "") != 1 {
			t.Errorf("a second after the end: %v, %d refusals", err, rec.Count(event.NetRefused, ""))
		}
	})
}

// Whatever a stranger says, nothing but an error comes of it.
func FuzzAccept(f *testing.F) {
	a := certtest.For(f)
	p, err := a.Issue(certtest.Leaf{Names: []string{"a.example"}})
	if err != nil {
		f.Fatal(err)
	}
	g := open(f, certs.Config{CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: a.CAFile, Allow: []string{"*"}, HandshakeTimeout: time.Minute})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{})
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0})
	f.Add([]byte{0x15, 3, 3, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, said []byte) {
		server, client := net.Pipe()
		defer server.Close()
		go func() {
			client.Write(said)
			client.Close()
		}()
		go io.Copy(io.Discard, client)
		if conn, session, err := g.Accept(server, "test/1"); err == nil || conn != nil || session != nil {
			t.Fatalf("%x is let in", said)
		}
	})
}
