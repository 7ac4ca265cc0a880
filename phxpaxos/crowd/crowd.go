package crowd

import "runtime"

const (
	// atLeast is how many in one round mean that many are active. A single
	// group has at most two packets for a peer, or two records, at once.
	atLeast = 3
	// lasts is for how many rounds they are taken to be active from then on,
	// since the first rounds of a crowd are small ones.
	lasts = 16
	// Enough is how much in one write makes the cost of the write small beside
	// that of what is in it; to wait for more would only take memory.
	Enough = 256
	// turnsMax bounds how often others go first.
	turnsMax = 32
)

// Crowd tells whether many are active. Its zero value says that there are few.
// It is not safe for concurrent use.
type Crowd struct{ left int }

// Took is told how much a round took.
func (c *Crowd) Took(n int) {
	c.left = max(c.left-1, 0)
	if n >= atLeast {
		c.left = lasts
	}
}

// Here reports whether many are active.
func (c *Crowd) Here() bool { return c.left > 0 }

// Gather lets goroutines that can run go first, again and again as long as more
// waits each time, and less than enough. Each time some dozens of goroutines
// run, or none if none is ready.
func Gather(waiting func() int, enough int) { gather(waiting, enough, runtime.Gosched) }

func gather(waiting func() int, enough int, yield func()) {
	before := -1
	for range turnsMax {
		yield()
		n := waiting()
		if n >= enough || n <= before {
			return
		}
		before = n
	}
}
