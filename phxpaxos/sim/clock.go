package sim

import "time"

// clock is the monotonic clock of one life of a node: it starts anywhere and
// runs a little too fast or too slow.
type clock struct {
	boot time.Duration // world time when it showed base
	base time.Duration
	ppm  int64 // drift in millionths
}

// read returns what the clock shows at world time v.
func (c clock) read(v time.Duration) time.Duration {
	d := v - c.boot
	return c.base + d + time.Duration(int64(d)/1000*c.ppm/1000)
}

// when returns the earliest world time at which the clock shows local or more.
func (c clock) when(local time.Duration) time.Duration {
	const million = 1_000_000
	d, rate := int64(local-c.base), million+c.ppm
	v := c.boot + time.Duration(d/rate*million+d%rate*million/rate)
	for c.read(v) < local { // read rounds, so there is little left to go
		v += max(1, local-c.read(v))
	}
	return v
}

// retune changes the rate from world time v on, without a jump.
func (c *clock) retune(v time.Duration, ppm int64) {
	c.base, c.boot, c.ppm = c.read(v), v, ppm
}
