package main

import (
	"context"
	"fmt"
	"sync"
	"text/tabwriter"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// nodeStatus is what one node says.
type nodeStatus struct {
	node   nodeid.ID
	answer *kvpb.StatusResponse
	err    error
}

// status asks the given server who the members are, and then all of them.
func (t *tool) status(ctx context.Context) int {
	ctx, cancel := t.context(ctx)
	defer cancel()
	first, err := t.client.Status(ctx, t.address)
	if err != nil {
		fmt.Fprintf(t.stdout, "Status fail, ret %d\n", phxkv.CodeFail)
		t.warn("%v", err)
		return exitFail
	}
	all := make([]nodeStatus, len(first.MemberNodeids))
	var wg sync.WaitGroup
	for i, id := range first.MemberNodeids {
		wg.Go(func() { all[i] = t.askStatus(ctx, nodeid.ID(id), first) })
	}
	wg.Wait()
	return t.printStatus(all)
}

func (t *tool) askStatus(ctx context.Context, node nodeid.ID, first *kvpb.StatusResponse) nodeStatus {
	if node == nodeid.ID(first.Nodeid) {
		return nodeStatus{node, first, nil}
	}
	address, err := phxkv.GRPCAddress(node)
	if err != nil {
		return nodeStatus{node, nil, err}
	}
	answer, err := t.client.Status(ctx, address.String())
	return nodeStatus{node, answer, err}
}

func (t *tool) printStatus(all []nodeStatus) int {
	var newest [phxkv.Groups]uint64
	for _, n := range all {
		for g, group := range n.answer.GetGroups() {
			if g < len(newest) {
				newest[g] = max(newest[g], group.NowInstance)
			}
		}
	}
	exit := exitOK
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "node\tgroup\tmaster\tinstance\tlag\tlog from\tcheckpoint\tstate")
	for _, n := range all {
		if n.err != nil {
			exit = exitFail
			fmt.Fprintf(w, "%v\t\t\t\t\t\t\tdown: %v\n", n.node, n.err)
			continue
		}
		for g, group := range n.answer.Groups {
			state, master := "ok", "none"
			switch {
			case group.Error != "":
				state, exit = group.Error, exitFail
			case group.Progress != "":
				state = group.Progress
			}
			if group.MasterNodeid != 0 {
				master = nodeid.ID(group.MasterNodeid).String()
			}
			lag := uint64(0)
			if g < len(newest) {
				lag = newest[g] - min(group.NowInstance, newest[g])
			}
			checkpoint := "none"
			if group.Checkpoints > 0 {
				checkpoint = fmt.Sprint(group.Checkpoints - 1)
			}
			fmt.Fprintf(w, "%v\t%d\t%s\t%d\t%d\t%d\t%s\t%s\n", n.node, g, master, group.NowInstance, lag, group.MinInstance, checkpoint, state)
		}
	}
	if err := w.Flush(); err != nil {
		t.warn("writing the answer: %v", err)
		return exitFail
	}
	return exit
}
