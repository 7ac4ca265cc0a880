package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Events asks the program how often an event of the named kind (package event)
// has happened in its node. The program must have been started with the flag
// -monitor; until it says on stderr where its monitor is, Events returns an
// error. It blocks until the program answers or ctx ends.
func (p *Process) Events(ctx context.Context, kind string) (count int, err error) {
	_, line, _ := strings.Cut(p.Stderr(), "monitor: ")
	url, _, whole := strings.Cut(line, "\n")
	if !whole {
		return 0, errors.New("the program has not said where its monitor is; start it with -monitor")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("ask the monitor: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask the monitor: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, fmt.Errorf("ask the monitor: %w", err)
	}
	return eventCount(string(text), kind)
}

// eventCount finds a kind of event among the metrics of a node.
func eventCount(metrics, kind string) (int, error) {
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, `phxpaxos_events_total{event="`+kind+`",`) {
			continue
		}
		_, value, _ := strings.Cut(line, "} ")
		count, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return 0, fmt.Errorf("the monitor counts events of kind %s: %w", kind, err)
		}
		return count, nil
	}
	return 0, fmt.Errorf("the monitor counts no events of kind %q", kind)
}
