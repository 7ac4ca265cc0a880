package nodeid_test

import (
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func TestClusterText(t *testing.T) {
	c := nodeid.Cluster{0xab, 15: 1}
	got, err := nodeid.ParseCluster(c.String())
	if err != nil || got != c {
		t.Errorf("%v came back as %v, %v", c, got, err)
	}
	if s := (nodeid.Cluster{}).String(); s != "none" {
		t.Errorf("zero is %q", s)
	}
	for _, bad := range []string{"", "none", "ab", strings.Repeat("0", 32), strings.Repeat("g", 32), strings.Repeat("a", 33), strings.Repeat("a", 34)} {
		if _, err := nodeid.ParseCluster(bad); err == nil || !strings.Contains(err.Error(), "32 hexadecimal digits") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
