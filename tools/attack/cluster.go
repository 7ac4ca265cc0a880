package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

// mode is how a cluster keeps attackers out.
type mode string

const (
	clear  mode = "clear"  // not at all
	source mode = "source" // SourceCheck refuses
	secret mode = "secret" // ClusterSecret is required
	mutual mode = "tls"    // certificates with names on both sides
)

// cluster is the nodes under attack.
type cluster struct {
	mode    mode
	members bool // Options.UseMembership
	hosts   []*host
	ids     []string // addresses of the nodes
	dir     string
	setups  []setup
	nodes   []*child // nil while a node is down
	values  int      // decided in each group
}

// errAttack is matched by the errors for what an attacker achieved.
var errAttack = errors.New("attack succeeded")

// newCluster starts nodes at the given addresses, one for each host.
func newCluster(m mode, members bool, hosts []*host, ids []string, dir string) (*cluster, error) {
	c := &cluster{mode: m, members: members, hosts: hosts, ids: ids, dir: dir, nodes: make([]*child, len(ids))}
	if err := c.configure(); err != nil {
		return nil, err
	}
	for i := range ids {
		if err := c.start(i); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *cluster) configure() error {
	for i, id := range c.ids {
		dir := filepath.Join(c.dir, fmt.Sprint("node", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		c.setups = append(c.setups, setup{Me: id, Nodes: c.ids, Dir: dir, Membership: c.members, Refuse: c.mode == source})
	}
	switch c.mode {
	case secret:
		for i := range c.setups {
			c.setups[i].Secret = "the secret of the cluster under attack"
		}
	case mutual:
		return c.certify()
	}
	return nil
}

// certify gives each node a certificate for its own name.
func (c *cluster) certify() error {
	authority, err := certtest.New(c.dir)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for i, id := range c.ids {
		names[id] = fmt.Sprintf("node%d.example", i)
	}
	for i := range c.setups {
		s := &c.setups[i]
		pair, err := authority.Issue(certtest.Leaf{Names: []string{names[s.Me]}})
		if err != nil {
			return err
		}
		s.CertFile, s.KeyFile, s.CAFile, s.Names = pair.CertFile, pair.KeyFile, authority.CAFile, names
	}
	return nil
}

func (c *cluster) start(i int) (err error) {
	c.nodes[i], err = startChild(c.hosts[i], c.setups[i], filepath.Join(c.dir, fmt.Sprintf("node%d.log", i)))
	return err
}

func (c *cluster) kill(i int) {
	c.nodes[i].kill()
	c.nodes[i] = nil
}

func (c *cluster) close() {
	for i, n := range c.nodes {
		if n != nil {
			c.kill(i)
		}
	}
}

// live are the nodes that run.
func (c *cluster) live() (all []int) {
	for i, n := range c.nodes {
		if n != nil {
			all = append(all, i)
		}
	}
	return all
}

// states asks all nodes that run; those that do not have an empty state.
func (c *cluster) states() ([]state, error) {
	all := make([]state, len(c.nodes))
	for _, i := range c.live() {
		s, err := c.nodes[i].ask(request{})
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		all[i] = s
	}
	return all, nil
}

// write gets a value decided through each node that runs, in each group.
func (c *cluster) write() error {
	for _, i := range c.live() {
		for g := range groups {
			if _, err := c.nodes[i].ask(request{Propose: fmt.Sprintf("value %d of node %d", c.values, i), Group: g}); err != nil {
				return fmt.Errorf("%w: the cluster does not go on writing: node %d: %w", errAttack, i, err)
			}
		}
		c.values++
	}
	return nil
}

// until asks the nodes that run until ok returns "", which else says what is
// missing. It fails after patience, and at once with ok's error.
func (c *cluster) until(ok func(all []state) (missing string, err error)) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		isLate := time.Now().After(end)
		all, err := c.states()
		if err != nil {
			return err
		}
		missing, err := ok(all)
		if err != nil || missing == "" {
			return err
		}
		if isLate {
			return fmt.Errorf("not within %v: %s", patience, missing)
		}
	}
}

// settle waits until the cluster knows its identity and its masters.
func (c *cluster) settle() error {
	return c.until(func(all []state) (string, error) {
		for _, i := range c.live() {
			if all[i].Cluster == (nodeid.Cluster{}).String() {
				return fmt.Sprintf("node %d knows its cluster", i), nil
			}
			if missing := c.settled(all, i); missing != "" {
				return missing, nil
			}
		}
		return "", nil
	})
}

func (c *cluster) settled(all []state, i int) (missing string) {
	first := c.live()[0]
	for g := range groups {
		mine, others := &all[i].Groups[g], &all[first].Groups[g]
		switch {
		case !all[i].Ready:
			return fmt.Sprintf("node %d is ready, which says %s", i, all[i].Why)
		case mine.Master == nodeid.None.String():
			return fmt.Sprintf("node %d knows the master of group %d", i, g)
		case mine.Values != c.values || mine.Digest != others.Digest:
			return fmt.Sprintf("node %d executed in group %d the %d values that node %d did, not %d", i, g, c.values, first, mine.Values)
		}
	}
	return ""
}

// unharmed checks that an attack since before changed nothing, and that the
// cluster goes on.
func (c *cluster) unharmed(before []state) error {
	if err := c.write(); err != nil {
		return err
	}
	err := c.until(func(all []state) (string, error) {
		for _, i := range c.live() {
			if err := c.same(i, &before[i], &all[i]); err != nil {
				return "", fmt.Errorf("%w: node %d: %w", errAttack, i, err)
			}
			if missing := c.settled(all, i); missing != "" {
				return missing, nil
			}
		}
		return "", nil
	})
	if err != nil && !errors.Is(err, errAttack) {
		return fmt.Errorf("%w: %w", errAttack, err)
	}
	return err
}

// same compares what no attack may change, at any time.
func (c *cluster) same(i int, before, after *state) error {
	for g := range groups {
		b, a := &before.Groups[g], &after.Groups[g]
		switch {
		case a.Err != "":
			return fmt.Errorf("group %d has stopped: %s", g, a.Err)
		case a.Forged > 0:
			return fmt.Errorf("group %d executed %d forged values", g, a.Forged)
		case a.Values > c.values:
			return fmt.Errorf("group %d executed %d values, and %d were proposed", g, a.Values, c.values)
		case a.Members != len(c.ids):
			return fmt.Errorf("group %d has %d members", g, a.Members)
		case b.Master != "" && a.Master != b.Master:
			return fmt.Errorf("group %d has another master, %s in place of %s", g, a.Master, b.Master)
		case a.LeaseLeft > lease:
			return fmt.Errorf("group %d counts a lease of %v", g, a.LeaseLeft)
		case a.Highest > 1<<32:
			return fmt.Errorf("group %d believes that a node is at instance %d", g, a.Highest)
		}
	}
	if before.Cluster != "" && after.Cluster != before.Cluster {
		return fmt.Errorf("cluster %s in place of %s", after.Cluster, before.Cluster)
	}
	return nil
}

// counted waits until each node has counted so many events more than before.
func (c *cluster) counted(node int, before state, want map[string]int) error {
	return c.until(func(all []state) (string, error) {
		for name, n := range want {
			if got := all[node].Counts[name] - before.Counts[name]; got < uint64(n) {
				return fmt.Sprintf("node %d counts %d more events %s, not %d", node, n, name, got), nil
			}
		}
		return "", nil
	})
}

// bystander is a node that is master of no group.
func (c *cluster) bystander() (int, error) {
	all, err := c.states()
	if err != nil {
		return 0, err
	}
	for i, id := range c.ids {
		if all[i].Groups[0].Master != id && all[i].Groups[1].Master != id {
			return i, nil
		}
	}
	return 0, errors.New("each node is a master")
}
