package paxos

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// outbox keeps what the core wants done until Flush, and, longer than that,
// the messages that a record on its way to the disk promises. A driver can
// therefore hand out whatever it gets at once (P3, P4).
type outbox struct {
	c       *Core
	seq     uint64    // of the last save asked for
	durable uint64    // every save up to here is on disk
	saves   []Save    // not handed out yet
	free    []Message // may go
	gated   []gated   // in the order of after
	unsaved []unsaved // saves above durable, also those not handed out yet
}

// unsaved is a record that the log does not hold yet.
type unsaved struct{ seq, instance uint64 }

type gated struct {
	after uint64 // may go once durable >= after
	m     Message
}

// save asks for a record and returns its sequence number.
func (o *outbox) save(r Record, sync bool) uint64 {
	o.seq++
	o.saves = append(o.saves, Save{Seq: o.seq, Record: r, Sync: sync})
	o.unsaved = append(o.unsaved, unsaved{o.seq, r.Instance})
	return o.seq
}

// send hands a message out at the next Flush. A message to this node itself
// is handled right here.
func (o *outbox) send(m *Message) {
	m.From = o.c.cfg.Me
	if m.To == o.c.cfg.Me {
		o.c.stepReply(m)
		return
	}
	o.free = append(o.free, *m)
}

// sendAfter hands a message out once save after is durable.
func (o *outbox) sendAfter(after uint64, m *Message) {
	if after <= o.durable {
		o.send(m)
		return
	}
	m.From = o.c.cfg.Me
	o.gated = append(o.gated, gated{after, *m})
}

// saved lets go what waited for saves up to seq. Handling a message to this
// node can gate further ones behind later saves, so the list is taken by index.
func (o *outbox) saved(seq uint64) {
	if seq <= o.durable {
		return
	}
	if seq > o.seq {
		o.c.fail(invariant("P3: save %d is reported, %d is the last one asked for", seq, o.seq))
		return
	}
	o.durable = seq
	n := 0
	for n < len(o.unsaved) && o.unsaved[n].seq <= seq {
		n++
	}
	o.unsaved = o.unsaved[:copy(o.unsaved, o.unsaved[n:])]
	n = 0
	for n < len(o.gated) && o.gated[n].after <= seq {
		m := o.gated[n].m
		n++
		o.send(&m)
		if o.c.err != nil {
			break
		}
	}
	rest := copy(o.gated, o.gated[n:])
	clear(o.gated[rest:]) // values must not be kept alive
	o.gated = o.gated[:rest]
}

func (o *outbox) flush() {
	for i := range o.free {
		m := &o.free[i]
		kind := event.MessageSend
		if m.To == nodeid.None {
			kind = event.MessageBroadcast
		}
		o.c.observe(event.Event{Kind: kind, Instance: m.Instance, Peer: m.To, Number: uint64(m.Kind)})
		o.c.env.Send(m)
	}
	clear(o.free)
	o.free = o.free[:0]
	for i := range o.saves {
		o.c.env.Save(o.saves[i])
	}
	clear(o.saves)
	o.saves = o.saves[:0]
}
