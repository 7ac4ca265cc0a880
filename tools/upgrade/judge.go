package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// readHistory returns what the state machine of a group has executed, from the
// directory of a node that is closed.
func readHistory(dir string, group int) ([]protocol.Executed, error) {
	b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("state-%d.json", group)))
	if err != nil {
		return nil, err
	}
	var state struct {
		Bytes  int64
		Number int
	}
	if err := json.Unmarshal(b, &state); err != nil {
		return nil, err
	}
	b, err = os.ReadFile(filepath.Join(dir, fmt.Sprintf("history-%d-%d", group, state.Number)))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < state.Bytes {
		return nil, fmt.Errorf("the history of group %d in %s has %d bytes, its state says %d", group, dir, len(b), state.Bytes)
	}
	return protocol.ParseHistory(b[:state.Bytes])
}

// judge compares the histories of one group below an instance with each other
// and with what clients were told. It returns what is wrong.
func judge(group int, below uint64, histories [][]protocol.Executed, acks []protocol.Ack) (wrong []string) {
	say := func(format string, args ...any) {
		if len(wrong) < violationsMax {
			wrong = append(wrong, fmt.Sprintf("group %d: ", group)+fmt.Sprintf(format, args...))
		}
	}
	for node := range histories {
		histories[node] = before(histories[node], below)
	}
	reference := histories[0]
	for node, h := range histories[1:] {
		if at, differ := difference(reference, h); differ {
			say("nodes 0 and %d differ from entry %d on: %d and %d entries", node+1, at, len(reference), len(h))
		}
	}
	place := make(map[protocol.Key]protocol.Executed, len(reference))
	for i, e := range reference {
		if i > 0 && !after(reference[i-1], e) {
			say("%+v was executed after %+v", e, reference[i-1])
		}
		if first, twice := place[e.Key]; twice {
			say("%+v was executed twice: at instance %d too", e, first.Instance)
		}
		place[e.Key] = e
	}
	for _, a := range acks {
		if a.Group != group {
			continue
		}
		e, ok := place[a.Key]
		switch {
		case !ok:
			say("lost: %+v was acknowledged at instance %d, index %d", a.Key, a.Instance, a.Index)
		case e.Instance != a.Instance || e.Index != a.Index:
			say("%+v was acknowledged at instance %d, index %d", e, a.Instance, a.Index)
		}
	}
	return wrong
}

// before returns the entries of instances below one. They are in order, or
// judge says so.
func before(all []protocol.Executed, instance uint64) []protocol.Executed {
	n := len(all)
	for n > 0 && all[n-1].Instance >= instance {
		n--
	}
	return all[:n]
}

func after(a, b protocol.Executed) bool {
	return b.Instance > a.Instance || b.Instance == a.Instance && b.Index > a.Index
}

// difference returns the first entry that a and b do not share.
func difference(a, b []protocol.Executed) (at int, differ bool) {
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	return at, at < len(a) || at < len(b)
}
