package crowd_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/crowd"
)

// A writer takes all that waits. Where its rounds are large, it lets others go
// first, which makes the next round larger.
func Example() {
	queue := make(chan string, 10)
	var many crowd.Crowd
	for _, round := range [][]string{{"a"}, {"b", "c", "d"}, {"e"}} {
		for _, word := range round {
			queue <- word
		}
		if many.Here() {
			crowd.Gather(func() int { return len(queue) }, cap(queue))
		}
		n := len(queue)
		for range n {
			<-queue
		}
		many.Took(n)
		fmt.Println(n, "written, many are active:", many.Here())
	}
	// Output:
	// 1 written, many are active: false
	// 3 written, many are active: true
	// 1 written, many are active: true
}
