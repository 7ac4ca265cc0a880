package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
)

// tlsFiles are what the flags about TLS say.
type tlsFiles struct {
	ca, cert, key, name string
}

func (f *tlsFiles) flags(flags *flag.FlagSet) {
	flags.StringVar(&f.ca, "tls-ca", "", "`file` of the authorities of servers, PEM; switches TLS on")
	flags.StringVar(&f.cert, "tls-cert", "", "own certificate `file`, PEM, for servers that ask for one")
	flags.StringVar(&f.key, "tls-key", "", "`file` with the certificate's key, PEM")
	flags.StringVar(&f.name, "tls-name", "", "`name` that servers must have in their certificates; default: their address")
}

// load returns nil if there is to be no TLS.
func (f *tlsFiles) load() (*tls.Config, error) {
	if f.ca == "" {
		if f.cert != "" || f.key != "" || f.name != "" {
			return nil, errors.New("TLS needs -tls-ca")
		}
		return nil, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("-tls-ca: %w", err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: f.name, MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-tls-ca %s: it holds no certificate in PEM", f.ca)
	}
	if f.cert == "" && f.key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert %s, -tls-key %s: %w", f.cert, f.key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
