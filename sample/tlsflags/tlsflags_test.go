package tlsflags_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/sample/tlsflags"
)

func Example() {
	flags := flag.NewFlagSet("program", flag.ContinueOnError)
	options := tlsflags.Register(flags)
	if err := flags.Parse([]string{"-tls-cert", "node1.crt", "-tls-key", "node1.key"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(options.Set(), options.Validate())
	// Output: true -tls flags: -tls-ca is missing; -tls-cert, -tls-key and -tls-ca go together
}

func parse(t *testing.T, args ...string) *tlsflags.Flags {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	f := tlsflags.Register(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWithoutFlags(t *testing.T) {
	f := parse(t)
	n, err := f.Network(network.Config{})
	server, serverErr := f.Server()
	client, clientErr := f.Client()
	if f.Set() || f.Validate() != nil || n != nil || err != nil || server != nil || serverErr != nil || client != nil || clientErr != nil {
		t.Errorf("without flags: %v %v %v %v %v %v", n, err, server, serverErr, client, clientErr)
	}
}

func TestErrors(t *testing.T) {
	files := "-tls-cert=c -tls-key=k -tls-ca=a "
	for args, want := range map[string]string{
		"-tls-cert=c":                                     "-tls-key is missing",
		"-tls-allow=*":                                    "-tls-cert is missing",
		"-tls-nodes=127.0.0.1:1=x":                        "-tls-cert is missing",
		"-tls-cert=c -tls-ca=a":                           "-tls-key is missing",
		files:                                             "-tls-allow is missing",
		files + "-tls-allow=a,,b":                         `Allow[1] is "", must be a name`,
		files + "-tls-allow=a.*":                          `Allow[0] is "a.*"`,
		files + "-tls-allow=*.":                           `Allow[0] is "*."`,
		files + "-tls-nodes=x":                            `"x", want an id and a name`,
		files + "-tls-nodes=x=y":                          `"x=y"`,
		files + "-tls-nodes=1.2.3.4:5":                    "want an id and a name",
		files + "-tls-nodes=1.2.3.4:5=":                   "must be one name",
		files + "-tls-nodes=1.2.3.4:5x=a":                 `"x" behind the port`,
		files + "-tls-nodes=1.2.3.4:5=*.a":                "must be one name",
		files + "-tls-nodes=1.2.3.4:5=a,1.2.3.4:5=b":      "1.2.3.4:5 twice",
		files + "-tls-allow=a -tls-nodes=1.2.3.4:99999=a": "1..65535",
	} {
		f := parse(t, strings.Fields(args)...)
		if err := f.Validate(); !errors.Is(err, tlsflags.ErrFlags) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
		if n, err := f.Network(network.Config{}); n != nil || err == nil {
			t.Errorf("%s: a network nevertheless", args)
		}
	}
	f := parse(t, strings.Fields(files+"-tls-allow=*")...)
	if err := f.Validate(); err != nil {
		t.Error(err)
	}
	if n, err := f.Network(network.Config{}); n != nil || !errors.Is(err, certs.ErrConfig) || !strings.Contains(err.Error(), "CAFile") {
		t.Errorf("no such files: %v", err)
	}
}

// What the flags lead to: nodes that talk, and a server that takes their
// clients and nobody else.
func TestWithFlags(t *testing.T) {
	authority, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ids := certtest.HoldIDs(t, 2)
	flagsOf := func(name string) *tlsflags.Flags {
		pair, err := authority.Issue(certtest.Leaf{Names: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, "-tls-cert", pair.CertFile, "-tls-key", pair.KeyFile, "-tls-ca", authority.CAFile, "-tls-allow", "backup.example",
			"-tls-nodes", fmt.Sprintf("%v=a.example,%v=b.example", ids[0], ids[1]))
	}
	a, b, stranger := flagsOf("a.example"), flagsOf("b.example"), flagsOf("c.example")
	in := make(chan string, 1000)
	var nodes []network.Network
	for i, f := range []*tlsflags.Flags{a, b} {
		n, err := f.Network(network.Config{Me: ids[i]})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if err := n.Start(func(p []byte) { in <- string(p) }); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	await.True(t, "a packet arrives", func() bool {
		nodes[0].Send(ids[1], []byte("hello"), network.Stream) // a slow machine may lose one
		select {
		case p := <-in:
			if p != "hello" {
				t.Errorf("received %q", p)
			}
			return true
		default:
			return false
		}
	})

	server, err := a.Server()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp4", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	echo := func(f *tlsflags.Flags) error {
		cfg, err := f.Client()
		if err != nil {
			t.Fatal(err)
		}
		dialer := &net.Dialer{Timeout: await.Limit(t)}
		c, err := tls.DialWithDialer(dialer, "tcp4", l.Addr().String(), cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(await.Limit(t)))
		back := make([]byte, 4)
		if _, err := c.Write([]byte("ping")); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, back); err != nil {
			return err
		}
		if !bytes.Equal(back, []byte("ping")) {
			t.Errorf("echo %q", back)
		}
		return nil
	}
	if err := echo(b); err != nil {
		t.Errorf("a node as client: %v", err)
	}
	if err := echo(stranger); err == nil {
		t.Error("a name that is not on the list is let in")
	}
}
