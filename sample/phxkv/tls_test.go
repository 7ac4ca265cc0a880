package phxkv_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates and writes them to files.
type authority struct {
	t    *testing.T
	dir  string
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir, name: name}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(template, name, nil)
	return a
}

// sign writes <file>.pem and <file>.key.
func (a *authority) sign(template *x509.Certificate, file string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(file+".pem", "CERTIFICATE", der)
	a.write(file+".key", "EC PRIVATE KEY", private)
	return cert, key
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) issue(file string) {
	a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: file}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, file, a)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	ca, other := newAuthority(t, c.dir, "ca"), newAuthority(t, c.dir, "other")
	ca.issue("server")
	ca.issue("client")
	other.issue("stranger")
	certs := []string{"-grpc-tls-cert", "server.pem", "-grpc-tls-key", "server.key"}
	for _, test := range []struct {
		name   string
		server []string
		client map[string]bool // flags, and whether they are let in
	}{
		{"plain", nil, map[string]bool{"": true, "-tls-ca ca.pem": false}},
		{"TLS", certs, map[string]bool{"": false, "-tls-ca ca.pem": true, "-tls-ca other.pem": false, "-tls-ca ca.pem -tls-name elsewhere": false}},
		{"mTLS", append(certs, "-grpc-tls-client-ca", "ca.pem"), map[string]bool{
			"": false, "-tls-ca ca.pem": false,
			"-tls-ca ca.pem -tls-cert client.pem -tls-key client.key":     true,
			"-tls-ca ca.pem -tls-cert stranger.pem -tls-key stranger.key": false,
		}},
	} {
		c.flags = append([]string{"-lease", "2s"}, test.server...)
		c.start(0)
		for flags, let := range test.client {
			command := "./phxkv_client_tools -strict -timeout 5s " + flags + " " + c.grpc(0) + " getlocal x"
			out, _ := shell(t, c.dir, command)
			if got := out == "GetLocal key x not exist, version 0\n"; got != let {
				t.Errorf("%s server, client %q: printed %q", test.name, flags, out)
			}
		}
		c.terminate(0)
	}
	for _, flags := range []string{
		"-grpc-tls-cert server.pem", "-grpc-tls-client-ca ca.pem", "-grpc-tls-cert server.pem -grpc-tls-key client.key",
		"-grpc-tls-cert server.pem -grpc-tls-key server.key -grpc-tls-client-ca server.key", "-drain -1s", "-tls-cert server.pem", "-nonsense",
	} {
		out, exit := shell(t, c.dir, "./phxkv_grpcserver "+flags+" 127.0.0.1:1 127.0.0.1:2 127.0.0.1:2 kv log 2>&1 >out")
		if exit != 255 || !strings.Contains(out, "-") {
			t.Errorf("%s: exit code %d, %q", flags, exit, out)
		}
	}
}
