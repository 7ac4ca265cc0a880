package paxos

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/event"

const (
	retryDistance = 300      // how far ahead a message may be to be kept (spec/protocol.md section 2.4)
	retryCount    = 300      // messages kept; the oldest gives way
	retryBytes    = 64 << 20 // bytes kept; values of 10 MiB would make 3 GiB of 300
)

// retryQueue keeps prepares, accepts and learned values of coming instances,
// so that a node that is a step behind votes as soon as it has caught up, and
// a network that reorders does not waste what is taught
// (spec/protocol.md section 14.4).
type retryQueue struct {
	messages []Message
	bytes    int
}

func (q *retryQueue) keep(c *Core, m *Message) {
	if m.Instance >= c.instance+retryDistance {
		return
	}
	c.observe(event.Event{Kind: event.RetryKeep, Instance: m.Instance, Peer: m.From})
	for len(q.messages) > 0 && (len(q.messages) >= retryCount || q.bytes+len(m.Value) > retryBytes) {
		c.observe(event.Event{Kind: event.RetryDrop, Instance: q.messages[0].Instance, Peer: q.messages[0].From})
		q.bytes -= len(q.messages[0].Value)
		q.messages = q.messages[:copy(q.messages, q.messages[1:])]
	}
	if len(m.Value) > retryBytes {
		return
	}
	c.observe(event.Event{Kind: event.RequestKept, Instance: m.Instance, Peer: m.From})
	q.messages = append(q.messages, *m)
	q.bytes += len(m.Value)
}

// run handles what was kept for the instance that has just begun.
func (q *retryQueue) run(c *Core) {
	if len(q.messages) == 0 {
		return
	}
	var due []Message
	rest := q.messages[:0]
	for _, m := range q.messages {
		switch {
		case m.Instance > c.instance:
			rest = append(rest, m)
			continue
		case m.Instance == c.instance:
			due = append(due, m)
		}
		q.bytes -= len(m.Value)
	}
	clear(q.messages[len(rest):])
	q.messages = rest
	for i := range due {
		c.observe(event.Event{Kind: event.RetryRun, Instance: due[i].Instance, Peer: due[i].From})
		c.dispatch(&due[i])
	}
}
