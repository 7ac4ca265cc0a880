package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// childEnv is set in the children.
const childEnv = "PHXPAXOS_CHAOS_CHILD"

// udpMaxSize lets the load use both transports.
const udpMaxSize = 4096

// childMain is the program inside a child process. It runs one node and ends,
// as crudely as everything here, when the parent closes its input.
func childMain() int {
	reports := os.NewFile(3, "reports")
	if reports == nil {
		fmt.Fprintln(os.Stderr, "chaos: descriptor 3 is missing; "+childEnv+" is not for use by hand")
		return 2
	}
	r := newReporter(reports)
	defer r.close()
	requests := gob.NewDecoder(os.Stdin)
	var set setup
	if err := requests.Decode(&set); err != nil {
		r.send(report{Failed: "reading the setup: " + err.Error()})
		return 1
	}
	if err := runNode(set, requests, r); err != nil {
		r.send(report{Failed: err.Error()})
		return 1
	}
	return 0
}

// runNode runs the node, its clients and the parent's requests.
func runNode(set setup, requests *gob.Decoder, r *reporter) error {
	counts := &counter{}
	o, err := nodeOptions(set, r, counts)
	if err != nil {
		return err
	}
	node, err := phxpaxos.Run(o)
	if err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	r.send(report{Ready: true})
	c := startClients(node, set, r)
	for {
		var q request
		if err := requests.Decode(&q); err != nil {
			c.cancel()
			if closeErr := node.Close(); closeErr != nil {
				return closeErr
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading a request: %w", err)
		}
		switch {
		case q.Range != nil:
			answer, err := readRange(node, *q.Range)
			if err != nil {
				r.send(report{Failed: err.Error()})
				continue
			}
			r.send(report{Range: answer})
		case q.Status:
			r.send(report{Status: statusOf(node, set.Groups, counts)})
		case q.Pause:
			c.pause()
			r.send(report{Paused: true})
		}
	}
}

func nodeOptions(set setup, r *reporter, counts *counter) (phxpaxos.Options, error) {
	machines := make(map[int][]sm.StateMachine, set.Groups)
	for g := range set.Groups {
		m, err := openMachine(set.Dir, g,
			func(m mark) { r.add(func(r *report) { r.Marks = append(r.Marks, m) }) },
			func(text string) { r.send(report{Failed: text}) })
		if err != nil {
			return phxpaxos.Options{}, err
		}
		machines[g] = []sm.StateMachine{m}
	}
	o := phxpaxos.Options{
		MyNode:             set.Nodes[set.Me],
		Nodes:              set.Nodes,
		LogStoragePath:     set.Dir,
		LogLayout:          set.Layout,
		UDPMaxSize:         udpMaxSize,
		GroupCount:         set.Groups,
		GroupStateMachines: machines,
		ProposeAttempts:    set.Attempts,
		Observer: event.Func(func(e event.Event) {
			counts.Observe(e)
			if e.Kind == event.MessageIn && paxos.Kind(e.Number) == paxos.AcceptEarly {
				r.add(func(r *report) { r.Named++ })
			}
		}),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if set.Tap {
		var err error
		if o.Network, err = newTap(o, r, counts); err != nil {
			return o, err
		}
		o.UDPMaxSize = 0 // belongs to the default network; the tap has its own
	}
	return o, nil
}

// readRange reads instances back through the node's own door.
func readRange(node *phxpaxos.Node, q rangeRequest) (*rangeAnswer, error) {
	answer := &rangeAnswer{}
	digest := sha256.New()
	var place [24]byte
	for i := q.From; i < q.To; i++ {
		entries, err := node.GetInstanceValue(context.Background(), q.Group, i)
		if err != nil {
			return nil, fmt.Errorf("group %d: reading instance %d back: %w", q.Group, i, err)
		}
		for index, e := range entries {
			binary.LittleEndian.PutUint64(place[:], i)
			binary.LittleEndian.PutUint64(place[8:], uint64(index))
			binary.LittleEndian.PutUint32(place[16:], uint32(e.SM))
			binary.LittleEndian.PutUint32(place[20:], uint32(len(e.Value)))
			digest.Write(place[:])
			digest.Write(e.Value)
			if q.Detail && e.SM == machineID {
				k, intact := parseValue(e.Value)
				answer.Values = append(answer.Values, chosen{i, index, k, hashOf(e.Value), intact})
			}
		}
	}
	digest.Sum(answer.Digest[:0])
	return answer, nil
}

func statusOf(node *phxpaxos.Node, groups int, counts *counter) *status {
	s := &status{Now: make([]uint64, groups), Counts: counts.named()}
	for g := range groups {
		now, err := node.NowInstanceID(g)
		if err != nil {
			continue // a group that has failed stays at 0 and is seen to be stuck
		}
		s.Now[g] = now
	}
	return s
}

var _ event.Observer = (*counter)(nil)
