package waitlock

import "time"

// The original's numbers (spec/protocol.md section 15.2).
const (
	sampleSize = 250 // waits after which the rate is adapted
	rateStep   = 3   // percent
	rateMax    = 98  // percent: some always get through, or nothing could be measured
)

// adapt finds the share of callers to refuse from how long the others wait.
// The Gate's mutex guards it.
type adapt struct {
	threshold time.Duration // 0: nothing is measured and nobody refused

	count   int           // waits in the running sample
	sum     time.Duration // of the running sample
	average time.Duration // of the last complete sample
	rate    int           // percent to refuse, 0..rateMax
}

// add takes one wait into account, 0 for a caller that need not wait. Waits
// that end without a slot count as well; refused callers have not waited.
func (a *adapt) add(waited time.Duration) {
	if a.threshold <= 0 {
		return
	}
	a.count++
	a.sum += waited
	if a.count < sampleSize {
		return
	}
	a.average = a.sum / time.Duration(a.count)
	if a.average > a.threshold {
		a.rate = min(a.rate+rateStep, rateMax)
	} else {
		a.rate = max(a.rate-rateStep, 0)
	}
	a.count, a.sum = 0, 0
}
