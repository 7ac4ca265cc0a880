package page_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/page"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

func ExampleHTML() {
	fmt.Printf("%.15s\n", page.HTML())
	// Output: <!DOCTYPE html>
}

// The page knows samples by their places, which package report sets.
func TestPlacesInASample(t *testing.T) {
	text, err := os.ReadFile("2-store.js")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "const S = {")
	list, _, _ = strings.Cut(list, "}")
	places := map[string]int{}
	for _, m := range regexp.MustCompile(`(\w+): (\d+)`).FindAllStringSubmatch(list, -1) {
		places[m[1]], _ = strconv.Atoi(m[2])
	}
	want := map[string]int{
		"time": report.SampleTime, "ok": report.ProposalRate, "fail": report.FailRate, "p50": report.ProposalP50, "p99": report.ProposalP99,
		"sync50": report.SyncP50, "sync99": report.SyncP99, "syncs": report.SyncRate, "disk": report.DiskQueue, "waiting": report.Waiting,
		"packets": report.Packets, "retries": report.RetryRate, "errors": report.ErrorRate, "instances": report.InstanceRate, "lag": report.LagMax,
	}
	if len(places) != len(want) || len(want) != len(report.Sample{}) {
		t.Errorf("the page knows %d places, package report has %d", len(places), len(report.Sample{}))
	}
	for name, place := range want {
		if places[name] != place {
			t.Errorf("%s is at %d on the page and at %d in a sample", name, places[name], place)
		}
	}
}

// The document is complete: style and script are in it, and each element that
// the script looks for exists.
func TestDocumentIsWhole(t *testing.T) {
	html := page.HTML()
	for _, left := range []string{"/*style*/", "/*script*/"} {
		if bytes.Contains(html, []byte(left)) {
			t.Errorf("%s was not replaced", left)
		}
	}
	for _, m := range regexp.MustCompile(`\$\("([\w-]+)"\)`).FindAllSubmatch(html, -1) {
		if !bytes.Contains(html, fmt.Appendf(nil, "id=%q", m[1])) {
			t.Errorf("the script looks for #%s, which is not there", m[1])
		}
	}
	if n := bytes.Count(html, []byte("</script")); n != 1 {
		t.Errorf("%d ends of a script: text in it would end it early", n)
	}
}
