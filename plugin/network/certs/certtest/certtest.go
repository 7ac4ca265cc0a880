package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Authority issues certificates. Its methods are safe for concurrent use.
type Authority struct {
	// CAFile is its certificate.
	CAFile string

	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial atomic.Int64
}

// New makes an authority whose files are in dir, which must be there and not
// hold another one.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority for tests"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	a := &Authority{CAFile: filepath.Join(dir, "ca.crt"), dir: dir, cert: cert, key: key}
	a.serial.Store(1)
	return a, writePEM(a.CAFile, "CERTIFICATE", der)
}

// Leaf says what to issue.
type Leaf struct {
	// Names are DNS names, or addresses where they read as such.
	Names []string
	// CommonName is the name in the subject.
	CommonName string
	// NotBefore and NotAfter bound when it is valid. Zero means from an hour
	// ago, for two hours.
	NotBefore, NotAfter time.Time
	// Uses are what it is good for. Nil means client and server.
	Uses []x509.ExtKeyUsage
}

// Pair names the files of a certificate and its key.
type Pair struct{ CertFile, KeyFile string }

// Issue makes a certificate in new files.
func (a *Authority) Issue(l Leaf) (Pair, error) {
	n := a.serial.Add(1)
	p := Pair{
		CertFile: filepath.Join(a.dir, fmt.Sprintf("%d.crt", n)),
		KeyFile:  filepath.Join(a.dir, fmt.Sprintf("%d.key", n)),
	}
	return p, a.IssueTo(p, l)
}

// IssueTo makes a certificate in the files of p, in the place of what is there.
func (a *Authority) IssueTo(p Pair, l Leaf) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial.Add(1)), Subject: pkix.Name{CommonName: l.CommonName},
		NotBefore: l.NotBefore, NotAfter: l.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: l.Uses,
	}
	if l.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if l.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	if l.Uses == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	for _, name := range l.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("issue a certificate: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("issue a certificate: %w", err)
	}
	return errors.Join(writePEM(p.CertFile, "CERTIFICATE", der), writePEM(p.KeyFile, "PRIVATE KEY", raw))
}

// writePEM replaces a file in one step.
func writePEM(path, kind string, der []byte) error {
	part := path + ".part"
	if err := os.WriteFile(part, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}
