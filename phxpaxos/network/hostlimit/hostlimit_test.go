package hostlimit

import (
	"fmt"
	"testing"
	"time"
)

// A million hosts fill neither memory nor the log, and those that were known
// before keep their own limits.
func TestManyHosts(t *testing.T) {
	var l Limiter[string]
	now := time.Now()
	lines := 0
	for i := range 20000 {
		if _, ok := l.Allow(fmt.Sprintf("host %d", i), now); ok {
			lines++
		}
	}
	if lines != hostsMax+1 || len(l.hosts) != hostsMax {
		t.Errorf("%d lines for %d hosts, want one for each of %d, and one", lines, len(l.hosts), hostsMax)
	}
	if suppressed, ok := l.Allow("one more", now.Add(every)); !ok || suppressed != 0 {
		t.Errorf("a new host a minute later: %d suppressed, %v", suppressed, ok)
	}
	if len(l.hosts) != 1 {
		t.Errorf("%d hosts are remembered, want those of the last minute", len(l.hosts))
	}
}
