package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestKills(t *testing.T) {
	for _, extra := range [][]string{nil, {"-memory"}} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"-kills", "11", "-callers", "10"}, extra...), &out); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		if !strings.Contains(out.String(), "all states equal") {
			t.Errorf("%s", &out)
		}
		t.Logf("%s", &out)
	}
}

func TestBadFlags(t *testing.T) {
	if err := run(t.Context(), []string{"-kills", "0"}, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "-kills") {
		t.Errorf("%v", err)
	}
}
