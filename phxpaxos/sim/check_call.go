package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// callCheck keeps what clients saw of one group's store and judges, at the
// end, whether there is an order of the calls that explains it, each call
// taking effect between its begin and its end.
type callCheck struct {
	r     *reporter
	group int
	keys  map[uint8][]porcupine.Operation
	open  int
}

type callInput struct {
	kind  opKind
	id    uint64
	apart bool // a read that has no place in the log
	seen  int  // and how many entries of the log it saw
}

func newCallCheck(r *reporter, group int) *callCheck {
	return &callCheck{r: r, group: group, keys: map[uint8][]porcupine.Operation{}}
}

// ended takes a call whose outcome is known.
func (c *callCheck) ended(client int, kind opKind, key uint8, id, result uint64, from, to time.Duration) {
	c.keys[key] = append(c.keys[key], porcupine.Operation{
		ClientId: client, Input: callInput{kind: kind, id: id}, Output: result, Call: int64(from), Return: int64(to),
	})
}

// read takes a read that was answered, without a place in the log, from what
// its node had executed: so many entries.
func (c *callCheck) read(client int, key uint8, result uint64, seen int, from, to time.Duration) {
	c.keys[key] = append(c.keys[key], porcupine.Operation{
		ClientId: client, Input: callInput{kind: opGet, apart: true, seen: seen}, Output: result, Call: int64(from), Return: int64(to),
	})
}

// unknown takes a call that may or may not take effect, at any time after its
// begin. A read without an answer says nothing.
func (c *callCheck) unknown(client int, kind opKind, key uint8, id uint64, from time.Duration) {
	if kind == opGet {
		return
	}
	c.open++
	c.keys[key] = append(c.keys[key], porcupine.Operation{
		ClientId: client, Input: callInput{kind: kind, id: id}, Output: nil, Call: int64(from), Return: math.MaxInt64,
	})
}

// registerModel is one register: put sets it, get returns it, swap does both.
var registerModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		in := input.(callInput)
		result, known := output.(uint64)
		switch in.kind {
		case opGet:
			return result == state.(uint64), state
		case opSwap:
			return !known || result == state.(uint64), in.id
		default:
			return true, in.id
		}
	},
	Hash: func(state any) uint64 { return state.(uint64) },
}

// judged holds the limits of the search: what is longer, or has more open
// ends, is judged by the log's order alone.
const (
	judgedCalls = 1000
	judgedOpen  = 10
)

// judge looks for an order. place says where a call was executed first; the
// order of the log is one explanation, and if it holds, nothing is wrong.
// Where it does not, and in every history short enough, the search decides.
func (c *callCheck) judge(place func(id uint64) (at int, ok bool)) (searched int) {
	for key := range 256 {
		history := c.relevant(c.keys[uint8(key)])
		if len(history) == 0 {
			continue
		}
		explained := explains(history, place)
		open := 0
		for i := range history {
			if history[i].Output == nil {
				open++
			}
		}
		if explained && (len(history) > judgedCalls || open > judgedOpen) {
			continue
		}
		searched++
		if porcupine.CheckOperationsTimeout(registerModel, history, callPatience) == porcupine.Illegal {
			c.r.fail("linearizability", "group %d key %d: no order of the %d calls explains what they returned", c.group, key, len(history))
		} else if !explained {
			// It may be explained by another order, but then the log is not
			// what decided, and that is wrong enough.
			c.r.fail("linearizability", "group %d key %d: the order of the log does not explain what the %d calls returned", c.group, key, len(history))
		}
	}
	return searched
}

// relevant leaves out writes with an unknown outcome that no call saw. Such a
// write can be taken out of any explanation, or be put behind it.
func (c *callCheck) relevant(history []porcupine.Operation) []porcupine.Operation {
	seen := map[uint64]bool{}
	for i := range history {
		if v, ok := history[i].Output.(uint64); ok {
			seen[v] = true
		}
	}
	var out []porcupine.Operation
	for i := range history {
		if history[i].Output != nil || seen[history[i].Input.(callInput).id] {
			out = append(out, history[i])
		}
	}
	return out
}

// explains reports whether the order of the log is an order that respects
// real time and gives every call the result that it saw.
func explains(history []porcupine.Operation, place func(id uint64) (int, bool)) bool {
	type placed struct {
		at int
		op *porcupine.Operation
	}
	order := make([]placed, 0, len(history))
	for i := range history {
		in := history[i].Input.(callInput)
		at, ok := place(in.id)
		if in.apart { // between the last entry that it saw and the next
			order = append(order, placed{2 * in.seen, &history[i]})
			continue
		}
		if !ok {
			return false
		}
		order = append(order, placed{2*at + 1, &history[i]})
	}
	slices.SortFunc(order, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.op.Call, b.op.Call))
	})
	state, latest := uint64(0), int64(math.MinInt64)
	for _, p := range order {
		// Everything placed before must have begun before this call ended.
		latest = max(latest, p.op.Call)
		if p.op.Return < latest {
			return false
		}
		ok, next := registerModel.Step(state, p.op.Input, p.op.Output)
		if !ok {
			return false
		}
		state = next.(uint64)
	}
	return true
}
