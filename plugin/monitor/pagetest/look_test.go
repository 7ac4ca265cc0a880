package pagetest

import (
	"fmt"
	"testing"
)

// TestScreenshots leaves pictures of a quiet cluster with one group and of one
// in trouble with 1 000, at three widths, light and dark. It fails if
// something does not fit into the width.
func TestScreenshots(t *testing.T) {
	for _, c := range []struct {
		name    string
		groups  int
		trouble bool
	}{{"quiet", 1, false}, {"trouble", 1000, true}} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, fake(t, c.groups, c.trouble), 1280)
			b.until("the table is filled", "document.querySelectorAll(\"#tbody tr\").length > 0", "true")
			for _, theme := range []string{"light", "dark"} {
				b.theme(theme)
				for _, size := range []struct {
					name  string
					width int
				}{{"phone", 390}, {"tablet", 820}, {"desktop", 1440}} {
					b.resize(size.width, 900)
					if wide := b.eval("document.documentElement.scrollWidth"); wide != fmt.Sprint(size.width) {
						t.Errorf("%s: the page is %s pixels wide, the window %d", size.name, wide, size.width)
					}
					if wide := b.eval("document.querySelector(\"#tbody\").closest(\".scroll\").scrollWidth - document.querySelector(\"#tbody\").closest(\".scroll\").clientWidth"); wide != "0" {
						t.Errorf("%s: the table is %s pixels too wide", size.name, wide)
					}
					b.shoot(fmt.Sprintf("%s-%s-%s", c.name, size.name, theme))
				}
			}
		})
	}
}
