package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// judgeMax is how long porcupine may take for one key. A history that is all
// right takes it milliseconds.
const judgeMax = 2 * time.Minute

// verdict is what came out of some epochs.
type verdict struct {
	keys, operations int
	lost, double     int
	scans            int
}

// judge judges the keys of one epoch. final is what all servers hold.
func (v *verdict) judge(h *history, final map[string]content, dir string) error {
	for key, ops := range h.ops {
		v.keys++
		v.operations += len(ops)
		if err := v.count(key, ops, final[key]); err != nil {
			return err
		}
		// What is there in the end was read by everybody, behind every call
		// that had an answer.
		end := porcupine.Operation{ClientId: len(h.ops) + 1<<20, Call: never - 1, Return: never,
			Input: access{}, Output: outcome{version: final[key].version, value: final[key].value, exists: final[key].exists}}
		ops = append(prune(ops, final[key]), end)
		result, info := porcupine.CheckOperationsVerbose(keyModel, ops, judgeMax)
		if result == porcupine.Ok {
			continue
		}
		path := filepath.Join(dir, "history.html")
		f, err := os.Create(path)
		if err == nil {
			err = porcupine.Visualize(keyModel, info, f)
			f.Close()
		}
		return fmt.Errorf("key %s: the history of %d calls is %s; see %s (%v)", key, len(ops), result, path, err)
	}
	return nil
}

// prune leaves out the writes without an answer that need not have happened:
// another one has made their version, as its answer or a read of its value
// says, or nothing has. To say that they happened would only be wrong; but for
// porcupine each of them doubles what is to be tried.
func prune(ops []porcupine.Operation, final content) []porcupine.Operation {
	acked, seen := map[uint64]bool{}, map[uint64]content{final.version: final}
	for _, op := range ops {
		in, out := op.Input.(access), op.Output.(outcome)
		switch {
		case in.kind == get:
			seen[out.version] = content{out.version, out.value, out.exists}
		case !out.unknown && !out.conflict:
			acked[in.version] = true
		}
	}
	kept := make([]porcupine.Operation, 0, len(ops)+1)
	for _, op := range ops {
		in, out := op.Input.(access), op.Output.(outcome)
		if out.unknown {
			made, known := seen[in.version+1]
			other := known && (made.exists != (in.kind == put) || made.exists && made.value != in.value)
			if acked[in.version] || in.version >= final.version || other {
				continue
			}
		}
		kept = append(kept, op)
	}
	return kept
}

// count explains every version of a key by exactly one write.
func (v *verdict) count(key string, ops []porcupine.Operation, final content) error {
	acked := map[uint64]int{}
	unknown := map[uint64]int{}
	for _, op := range ops {
		in, out := op.Input.(access), op.Output.(outcome)
		switch {
		case in.kind == get || out.conflict:
		case out.unknown:
			unknown[in.version]++
		default:
			acked[in.version]++
		}
	}
	for version, n := range acked {
		if n > 1 {
			v.lost += n - 1 // all of them were told that they had made the same version
		}
		if version >= final.version {
			v.lost++
		}
	}
	for version := range final.version {
		if acked[version] == 0 && unknown[version] == 0 {
			v.double++ // nobody asked for this one
		}
	}
	if v.lost+v.double > 0 {
		return fmt.Errorf("key %s: %d acknowledged writes are lost, %d happened that nobody asked for; it ends at version %d", key, v.lost, v.double, final.version)
	}
	return nil
}
