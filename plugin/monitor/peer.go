package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/report"
)

const (
	// A peer that was killed has to show within 3 s: it is asked every
	// askEvery, its answer is awaited for askMax, and it counts as down when
	// it has not answered for downAfter.
	askEvery  = 500 * time.Millisecond
	askMax    = time.Second
	downAfter = 1500 * time.Millisecond
	// groupsEvery is how often the groups are asked for, which are most of an
	// answer.
	groupsEvery = 2 * time.Second
)

// news is an answer of a peer, or why there is none.
type news struct {
	source int
	round  int // of asking; what is left of an earlier one does not count
	at     time.Time
	report *report.Node
	err    error
}

// ask asks one peer again and again, until ctx ends, and tells the cluster.
func (c *cluster) ask(ctx context.Context, n news, url string) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	since, groupsAt := uint64(0), time.Time{}
	for {
		now := time.Now()
		groups := now.Sub(groupsAt) >= c.groupsEvery()
		r, err := c.askOnce(ctx, url, since, groups)
		if err == nil {
			since = r.First + uint64(len(r.Samples))
			if groups {
				groupsAt = now
			}
		}
		n.at, n.report, n.err = time.Now(), r, err
		select {
		case c.news <- n:
		case <-ctx.Done():
			return
		}
		if err == nil && r.Node == c.ownID() && r.Node != "" {
			return // it is this one: nothing to be asked for
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *cluster) askOnce(ctx context.Context, url string, since uint64, groups bool) (*report.Node, error) {
	timeout := askMax
	if groups {
		timeout = groupsEvery // a report with many groups takes its time
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	url = fmt.Sprintf("%s/api/status?since=%d", url, since)
	if groups {
		url += "&groups=1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.m.opts.Client.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s; is that a monitor?", resp.Status)
	}
	return report.Read(resp.Body)
}

// plain says in few words why there was no answer.
func plain(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused: nothing listens there")
	case errors.Is(err, syscall.ECONNRESET):
		return errors.New("connection reset")
	}
	return err
}
