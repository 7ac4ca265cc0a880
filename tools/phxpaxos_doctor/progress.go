package main

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// lineEvery is how often a run that nobody watches prints a line. One that
// ends sooner prints none.
const lineEvery = 5 * time.Second

// gauge turns bytes of groups into progress. A nil one shows nothing.
type gauge struct {
	show *progress.Printer

	groups, group int   // of them, and the number of the one under way
	total         int64 // bytes of the group
}

// beginGroup starts the n-th of several groups; total is how many bytes its
// records take.
func (g *gauge) beginGroup(n, groups int, total int64) {
	if g != nil {
		g.group, g.groups, g.total = n, groups, max(total, 1)
	}
}

// at says that so many bytes of the group were examined.
func (g *gauge) at(done int64) {
	if g != nil && g.show.Due() {
		g.show.At(g.part(done))
	}
}

func (g *gauge) part(done int64) (part float64, text string) {
	done = min(done, g.total)
	return (float64(g.group) + float64(done)/float64(g.total)) / float64(g.groups),
		fmt.Sprintf("group %d of %d, %d of %d MiB", g.group+1, g.groups, done>>20, g.total>>20)
}

// end removes what is shown.
func (g *gauge) end() {
	if g != nil {
		g.show.End()
	}
}
