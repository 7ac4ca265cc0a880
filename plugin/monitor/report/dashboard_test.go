package report

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/grafana"
)

// The dashboard and the status page count the same kinds as errors, and as
// retries: whoever sees a peak on one finds it on the other, by its name.
func TestDashboardCountsTheSame(t *testing.T) {
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(grafana.Dashboard, &d); err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`event=~"([^"]*)"`)
	for title, kinds := range map[string][]event.Kind{"Errors": errorKinds, "Retries": retries} {
		var want, have []string
		for _, k := range kinds {
			want = append(want, k.String())
		}
		for _, p := range d.Panels {
			if p.Title == title && len(p.Targets) == 1 {
				if m := list.FindStringSubmatch(p.Targets[0].Expr); m != nil {
					have = strings.Split(m[1], "|")
				}
			}
		}
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			t.Errorf("the panel %s shows %v, the page counts %v", title, have, want)
		}
	}
	if !strings.Contains(string(grafana.Alerts), event.NetRefused.String()) {
		t.Error("no alert looks at refused connections")
	}
}
