package pagetest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
)

// scrape reads the metrics of a node: name and labels, then the value. Labels
// of the node itself are left out.
func scrape(t *testing.T, c *cluster, i int) map[string]float64 {
	t.Helper()
	resp, err := http.Get(c.url(i) + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	own := fmt.Sprintf("node=%q", c.ids[i].String())
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(name, "phxpaxos_") {
			continue
		}
		name = strings.NewReplacer("{"+own, "{", ","+own, "").Replace(name) + "}"
		if values[strings.Replace(name, "{,", "{", 1)], err = strconv.ParseFloat(value, 64); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return values
}

// The figures of the page are those of the metrics, on all nodes.
func TestPageShowsWhatTheMetricsSay(t *testing.T) {
	needsBrowser(t)
	c := newCluster(t, 3, 4, nil)
	for g := range 4 {
		for node := range 3 {
			c.propose(t, node, g, 10*(g+1)+node)
		}
		c.settled(t, g, uint64(30*(g+1)+3))
	}
	b := open(t, c.url(1), 1440)
	b.until("groups", "document.querySelectorAll('#tbody tr').length", "4")
	b.until("nodes", "document.querySelectorAll('.node[data-state=running]').length", "3")

	b.until("groups of all nodes", "[...document.querySelectorAll('td[data-col=answers]')].map((e) => e.textContent).join()", "3/3,3/3,3/3,3/3")

	var proposals, failed float64
	for i := range 3 {
		m := scrape(t, c, i)
		proposals += m["phxpaxos_proposals_total{}"]
		failed += m[`phxpaxos_proposals_failed_total{reason="timeout"}`]
	}
	if want := float64(30*(1+2+3+4) + 4*3); proposals != want {
		t.Fatalf("the metrics count %v proposals, %v were made", proposals, want)
	}
	b.until("proposals", "document.querySelector('#tile-rate-sub').textContent.replaceAll(',', '')", fmt.Sprintf("%.0f in all", proposals))
	b.until("errors", fmt.Sprintf("document.querySelector('#tile-errors-sub').textContent.endsWith(' %.0f failed')", failed), "true")
	b.untilText("#tile-groups", "4")
	m := scrape(t, c, 1)
	for g := range 4 {
		for column, metric := range map[string]string{
			"instance": "phxpaxos_group_instance", "lag": "phxpaxos_group_lag_instances", "start": "phxpaxos_group_log_start_instance",
		} {
			want := fmt.Sprint(m[fmt.Sprintf("%s{group=\"%d\"}", metric, g)])
			b.until(fmt.Sprintf("%s of group %d", column, g), fmt.Sprintf("document.querySelector(\"tr[data-group='%d'] [data-col=%s]\").textContent.replaceAll(',', '')", g, column), want)
		}
	}
	for i, id := range c.ids {
		m := scrape(t, c, i)
		want := fmt.Sprintf("0/%v", m["phxpaxos_groups{}"])
		b.untilText(fmt.Sprintf(".node[data-node='%s'] [data-fact=led]", id), want)
	}
	b.untilText("#verdict", "healthy")
}

// With 1 000 groups one finds what one looks for.
func TestSearchAndSortAThousandGroups(t *testing.T) {
	needsBrowser(t)
	var broken *memory
	c := newCluster(t, 3, 1000, func(o *phxpaxos.Options) {
		if broken == nil {
			broken = o.LogStorage.(*memory)
			broken.fails[417] = true
		}
	})
	for _, g := range []int{3, 500, 998} {
		c.propose(t, 1, g, g/2+2)
		c.settled(t, g, uint64(g/2+2))
	}
	c.propose(t, 1, 417, 1) // its first node breaks on that
	b := open(t, c.url(0), 1440)
	rows := "document.querySelectorAll('#tbody tr').length"
	first := "document.querySelector('#tbody tr').dataset.group"
	b.until("groups", "document.querySelector('#groups-total').textContent", "1,000")
	b.until("the worst group stands first", first, "417")
	b.untilText("tr[data-group='417'] [data-col=state]", "stopped")
	if title := b.eval("document.querySelector(\"tr[data-group='417']\").title"); !strings.Contains(title, "no space left on <b>device</b>") {
		t.Errorf("its error is %q", title)
	}

	b.click("#sort-instance")
	b.until("sorted by instance, the highest first", first, "998")
	if state := b.eval("document.querySelector('#sort-instance').parentElement.getAttribute('aria-sort')"); state != "descending" {
		t.Errorf("aria-sort is %q", state)
	}
	b.click("#sort-instance")
	b.until("the lowest first", first, "0")
	b.click("#sort-group")
	b.click("#next")
	b.until("the second page", first, "25")

	search := func(what string) {
		b.eval("(() => { const e = document.querySelector('#search'); e.focus(); e.value = ''; e.dispatchEvent(new Event('input')); })()")
		b.run(chromedp.KeyEvent(what))
	}
	search("99")
	b.until("99, 990…999", "document.querySelector('#groups-total').textContent", "11 of 1,000")
	b.until("99 itself stands first", first, "99")
	search("left on")
	b.until("an error text", rows, "1")
	b.until("an error text", first, "417")
	search("nothing like that")
	b.until("nothing", "document.querySelector('#none').hidden", "false")
	search(" ")
	b.until("all again", "document.querySelector('#groups-total').textContent", "1,000")
	b.click("#filters [data-name=stopped]")
	b.until("only what has stopped", rows, "1")
	b.click("#filters [data-name=all]")
	b.until("all again", rows, "25")
	b.drawn() // the map as well

	// A group in detail, by keyboard: the map takes arrows and Enter.
	b.run(chromedp.Focus(chromedp.CSS("#heat")), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.Enter))
	b.until("the dialog", "document.querySelector('#dialog').open && document.querySelector('#dialog-title').textContent", "Group 3")
	b.until("three nodes in it", "document.querySelectorAll('#dialog-body tr:first-child th').length", "4")
	b.untilText("#dialog-body tr:nth-child(3)", "Instance333")
	b.run(chromedp.KeyEvent(kb.Escape))
	b.until("Escape closes it", "document.querySelector('#dialog').open", "false")
	b.shoot("thousand-real")
}

// The colours are the system's until somebody chooses, and the choice stays.
func TestThemeToggle(t *testing.T) {
	needsBrowser(t)
	c := newCluster(t, 1, 1, nil)
	b := open(t, c.url(0), 1000)
	b.until("live", "document.querySelector('#live').dataset.state", "on")
	b.theme("dark")
	b.click("#theme")
	b.until("light by choice", "document.documentElement.dataset.theme", "light")
	b.run(chromedp.Reload())
	b.until("still light", "document.documentElement.dataset.theme", "light")
	b.click("#theme")
	b.until("dark by choice", "document.documentElement.dataset.theme", "dark")
	b.click("#theme")
	b.theme("light") // auto again
}

// Everything can be reached by keyboard, and everything that can be reached
// has a name.
func TestEverythingHasAName(t *testing.T) {
	needsBrowser(t)
	c := newCluster(t, 1, 3, nil)
	b := open(t, c.url(0), 1000)
	b.until("live", "document.querySelectorAll('#tbody tr').length", "3")
	if bad := b.eval(`[...document.querySelectorAll("button, a, input, canvas[tabindex], [role=img]")].filter((e) =>
		!(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels[0] && e.labels[0].textContent.trim()))).map((e) => e.outerHTML).join("\n")`); bad != "" {
		t.Errorf("without a name:\n%s", bad)
	}
	if bad := b.eval(`[...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex > 0).length`); bad != "0" {
		t.Errorf("%s elements change the order of the keyboard", bad)
	}
	// The contrast of text, by the rule of WCAG AA, in both themes.
	for _, theme := range []string{"light", "dark"} {
		b.theme(theme)
		for _, pair := range [][2]string{{"text", "bg"}, {"text", "card"}, {"dim", "bg"}, {"dim", "card"}, {"ok", "ok-soft"}, {"warn", "warn-soft"}, {"bad", "bad-soft"}, {"accent", "card"}, {"bad", "card"}, {"warn", "card"}} {
			ratio, err := strconv.ParseFloat(b.eval(fmt.Sprintf(contrast, pair[0], pair[1])), 64)
			if err != nil || ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want 4.5", theme, pair[0], pair[1], ratio)
			}
		}
	}
}

const contrast = `((a, b) => {
	const light = (name) => {
		const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
		const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
	};
	const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
	return x / y;
})(%q, %q)`
