package certs

import (
	"fmt"
	"testing"
	"time"
)

// A million hosts fill neither memory nor the log, and those that were heard of
// before keep their own limits.
func TestManySources(t *testing.T) {
	var r refusals
	now := time.Now()
	lines := 0
	for i := range 20000 {
		if _, ok := r.allow(fmt.Sprintf("host %d", i), now); ok {
			lines++
		}
	}
	if lines != sourcesMax+1 || len(r.sources) != sourcesMax {
		t.Errorf("%d lines for %d sources, want one for each of %d, and one", lines, len(r.sources), sourcesMax)
	}
	if suppressed, ok := r.allow("one more", now.Add(refusalEvery)); !ok || suppressed != 0 {
		t.Errorf("a new host a minute later: %d suppressed, %v", suppressed, ok)
	}
	if len(r.sources) != 1 {
		t.Errorf("%d sources are remembered, want those of the last minute", len(r.sources))
	}
}
