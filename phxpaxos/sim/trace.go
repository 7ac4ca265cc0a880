package sim

import (
	"fmt"
	"io"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// tracer writes what happens, a line each, for people.
type tracer struct {
	out   io.Writer
	names *strings.Replacer // addresses of nodes to their letters
}

func newTracer(out io.Writer, nodes int) *tracer {
	if out == nil {
		return nil
	}
	var pairs []string
	for n := range nodes {
		pairs = append(pairs, nodeID(n).String(), nodeName(n))
	}
	return &tracer{out: out, names: strings.NewReplacer(pairs...)}
}

// tracef writes a line of the trace. Callers on the hot path ask w.trace
// first, so that nothing is formatted in vain.
func (w *World) tracef(who, format string, args ...any) {
	if w.trace == nil {
		return
	}
	line := w.trace.names.Replace(fmt.Sprintf(format, args...))
	fmt.Fprintf(w.trace.out, "%12.6f %-6s %s\n", w.now.Seconds(), who, line)
}

// describeMessage is m on its way to a node in short, with its values told by
// their ids.
func describeMessage(m *paxos.Message, to nodeid.ID) string {
	short := *m
	short.Value = nil
	if m.Kind == paxos.PrepareReply || m.Kind == paxos.AcceptReply {
		short.Ballot.Node = to // the wire leaves it out: it is the receiver
	}
	s := short.String()
	if m.Kind == paxos.Accept || m.Kind == paxos.EarlyValue || m.Kind == paxos.LearnValue || !m.PreAccepted.IsNull() {
		s += " v=" + describeValue(m.Value)
	}
	return s
}

// describeValue names the operations in a packed value.
func describeValue(value []byte) string {
	id, body, ok := wire.SplitValue(value)
	if !ok {
		return fmt.Sprintf("%x", value)
	}
	switch id {
	case sm.None:
		return "nothing"
	case sm.System:
		var v wire.SystemVariables
		_ = wire.DecodeSystemVariables(body, &v)
		return fmt.Sprintf("members %v behind version %d of cluster %x", setOf(v.Members), int64(v.Version), v.Cluster)
	case sm.Master:
		var op wire.MasterOperator
		_ = wire.DecodeMasterOperator(body, &op)
		return fmt.Sprintf("master %s for %d ms behind version %d (last %d)", nodeName(nodeIndex(op.Node)), op.TimeoutMillis, int64(op.Version), int64(op.LastVersion))
	case machineID:
		_, _, op, _ := decodeOp(body)
		return fmt.Sprint(op)
	case sm.Batch:
		entries, err := wire.DecodeBatch(body, nil)
		if err != nil {
			return err.Error()
		}
		var ids []string
		for _, e := range entries {
			_, _, op, _ := decodeOp(e.Value)
			ids = append(ids, fmt.Sprint(op))
		}
		return "[" + strings.Join(ids, " ") + "]"
	}
	return fmt.Sprintf("state machine %d, %d bytes", id, len(body))
}
