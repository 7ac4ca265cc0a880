package certtest_test

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

func ExampleAuthority_Issue() {
	dir, err := os.MkdirTemp("", "certtest")
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
	pair, err := authority.Issue(certtest.Leaf{Names: []string{"node1.example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	fmt.Println(cert.Leaf.DNSNames, err)
	// Output: [node1.example] <nil>
}
