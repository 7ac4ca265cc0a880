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
		ops = append(ops[:len(ops):len(ops)], end)
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
