package main

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// lure makes nodes ask an attacker for values, and answers with its own. The
// attacker uses its own address and states it.
func lure(c *cluster, from *host, within time.Duration, kind string) error {
	ids, err := parseIDs(c.ids)
	if err != nil {
		return err
	}
	b, err := newBait(from, func(ask *paxos.Message, _ int) []paxos.Message { return answer(kind, ask, ids[0]) })
	if err != nil {
		return err
	}
	defer b.close()
	before, err := c.states()
	if err != nil {
		return err
	}
	victim, err := c.bystander()
	if err != nil {
		return err
	}
	// While a member is away the others ask all nodes that they know of.
	c.kill(victim)
	for began := time.Now(); time.Since(began) < within; {
		for _, i := range c.live() {
			id := c.ids[i]
			for g := range groups {
				l := lie{header: wire.Header{Group: g, CRC: true}, from: b.me, at: before[i].Groups[g].Instance}
				_ = b.send(id, l.packet(paxos.Message{Kind: paxos.Success, Instance: l.at + 1000, Ballot: l.ballot()})) // it may be refused
			}
		}
		if err := c.write(); err != nil {
			return fmt.Errorf("%w (the attacker was asked %d times)", err, b.received(paxos.AskForLearn))
		}
	}
	if err := c.start(victim); err != nil {
		return err
	}
	if err := c.unharmed(before); err != nil {
		return fmt.Errorf("%w (the attacker was asked %d times)", err, b.received(paxos.AskForLearn))
	}
	return nil
}

// lures are the answers of an attacker that is asked. Silence shows that what
// the others achieve comes from the answer.
var lures = []string{"silence", "value", "master", "members", "checkpoint"}

// answer makes the answers to one ask: forged values, or an offer that promises
// values and states something else as well.
func answer(kind string, ask *paxos.Message, master nodeid.ID) (all []paxos.Message) {
	if ask.Kind != paxos.AskForLearn {
		return nil
	}
	later := ask.Instance + 50
	offer := paxos.Message{Kind: paxos.Offer, Instance: ask.Instance, Now: ask.Instance + 100}
	switch kind {
	case "silence":
		return nil
	case "value":
		for i := range uint64(5) {
			all = append(all, paxos.Message{Kind: paxos.LearnValue, Instance: ask.Instance + i, Ballot: paxos.Ballot{Number: highBallot, Node: master},
				Value: wire.AppendValue(nil, machineID, []byte(forgedMark+"answer"))})
		}
		return all
	case "master":
		offer.HasVariables = true
		offer.MasterVariables = wire.AppendMasterVariables(nil, &wire.MasterVariables{Master: master, Version: later, LeaseMillis: uint32(time.Minute / time.Millisecond)})
	case "members":
		offer.HasVariables = true
		offer.SystemVariables = wire.AppendSystemVariables(nil, &wire.SystemVariables{Cluster: 1, Members: []nodeid.ID{master}, Version: later})
	case "checkpoint":
		offer.MinChosen = later
	}
	return []paxos.Message{offer}
}
