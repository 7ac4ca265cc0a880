package certs

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrConfig is matched by errors about a Config or its files.
var ErrConfig = errors.New("bad certificate configuration")

// Config says who this node is and whom it lets in.
type Config struct {
	// CertFile and KeyFile hold this node's certificate, with those between it
	// and the authority behind it, and its key, as PEM. A node dials and is
	// dialled, so the certificate has to be for clients and for servers.
	// Required.
	CertFile, KeyFile string

	// CAFile holds the authorities that are trusted, as PEM. The system's are
	// not: everybody in the world can get a certificate from one of those.
	// Required.
	CAFile string

	// Allow lists the names that are let in. "*.example.com" stands for every
	// DNS name with one label more, "*" for every certificate of the
	// authorities. At least one of Allow and Nodes must be set.
	Allow []string

	// Nodes ties ids to names, as the package comment says. Its names need not
	// be in Allow.
	Nodes map[nodeid.ID]string

	// CheckInterval is how often the files are looked at, 10ms..1h. Default 1 s:
	// soon enough for a person, and a look costs some microseconds.
	CheckInterval time.Duration

	// HandshakeTimeout is how long who connects has to prove who it is,
	// 10ms..1h. Default 5 s: some round trips to the other end of the world.
	HandshakeTimeout time.Duration

	// Logger is told of refusals and of files that were read again or cannot
	// be. Default: none.
	Logger *slog.Logger

	// Observer is told of refusals. Default: the node whose network uses the
	// Guard first.
	Observer event.Observer
}

// Validate says whether the configuration can be used; it does not look at the
// files. The error matches ErrConfig and names the field, its value and the
// rule.
func (c Config) Validate() error {
	for _, f := range []struct{ field, value string }{
		{"CertFile", c.CertFile}, {"KeyFile", c.KeyFile}, {"CAFile", c.CAFile},
	} {
		if f.value == "" {
			return fmt.Errorf("%w: %s is empty, must name a file", ErrConfig, f.field)
		}
	}
	if err := validateNames(c.Allow, c.Nodes); err != nil {
		return err
	}
	d := c.withDefaults()
	for _, f := range []struct {
		field string
		value time.Duration
	}{{"CheckInterval", d.CheckInterval}, {"HandshakeTimeout", d.HandshakeTimeout}} {
		if f.value < 10*time.Millisecond || f.value > time.Hour {
			return fmt.Errorf("%w: %s is %v, must be in 10ms..1h", ErrConfig, f.field, f.value)
		}
	}
	return nil
}

func validateNames(allow []string, nodes map[nodeid.ID]string) error {
	if len(allow) == 0 && len(nodes) == 0 {
		return fmt.Errorf("%w: Allow is empty, must list the names that are let in; \"*\" lets in every certificate of the authorities", ErrConfig)
	}
	for i, name := range allow {
		if err := validatePattern(name); err != nil {
			return fmt.Errorf("%w: Allow[%d] is %q, %w", ErrConfig, i, name, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		switch name := nodes[id]; {
		case id == nodeid.None:
			return fmt.Errorf("%w: Nodes has a name for node 0, which is no node", ErrConfig)
		case name == "" || strings.Contains(name, "*"):
			return fmt.Errorf("%w: Nodes[%v] is %q, must be one name", ErrConfig, id, name)
		}
	}
	return nil
}

func validatePattern(name string) error {
	switch rest, wild := strings.CutPrefix(name, "*."); {
	case name == "":
		return errors.New("must be a name")
	case name == "*":
		return nil
	case strings.Contains(rest, "*"):
		return errors.New(`"*" must stand alone, or for the first label as in "*.example.com"`)
	case wild && rest == "":
		return errors.New(`needs a name behind "*."`)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.CheckInterval == 0 {
		c.CheckInterval = time.Second
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
