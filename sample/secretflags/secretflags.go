// Package secretflags gives a program the flags for the secret of its cluster:
//
//	-cluster_secret_file FILE  the secret, at least 16 bytes, on the first line;
//	                           while it is replaced, another one that is
//	                           accepted as well on the second line
//	-cluster_secret_mode MODE  send or require, see network.Secret
//
// Without them packets carry no MACs. The package is for the samples and tools
// and may change.
package secretflags

import (
	"errors"
	"flag"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

// ErrFlags is matched by errors about flags that do not fit, and about the file.
var ErrFlags = errors.New("-cluster_secret flags")

// Flags are what the command line says.
type Flags struct {
	File string
	Mode string
}

// Register adds the flags to a set.
func (f *Flags) Register(set *flag.FlagSet) {
	set.StringVar(&f.File, "cluster_secret_file", "", "`file` with the secret of the cluster, at least 16 bytes on one line; packets between nodes then carry MACs. A second line is accepted as well")
	set.StringVar(&f.Mode, "cluster_secret_mode", "", "with -cluster_secret_file: send, which accepts packets without a MAC, until all nodes have the file; then require (default require)")
}

// Secret reads the file. It returns no secret if there are no flags. The error
// matches ErrFlags and never shows the secret.
func (f *Flags) Secret() (network.Secret, error) {
	if f.File == "" {
		if f.Mode != "" {
			return network.Secret{}, fmt.Errorf("%w: -cluster_secret_mode needs -cluster_secret_file", ErrFlags)
		}
		return network.Secret{}, nil
	}
	s, err := network.ReadSecretFile(f.File)
	if err != nil {
		return network.Secret{}, fmt.Errorf("%w: %w", ErrFlags, err)
	}
	s.Mode = network.SecretRequire
	if f.Mode != "" {
		if s.Mode, err = network.ParseSecretMode(f.Mode); err != nil {
			return network.Secret{}, fmt.Errorf("%w: -cluster_secret_mode: %w", ErrFlags, err)
		}
	}
	if err := s.Validate(); err != nil {
		return network.Secret{}, fmt.Errorf("%w: %w", ErrFlags, err)
	}
	return s, nil
}
