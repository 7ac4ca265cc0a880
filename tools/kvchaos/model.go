package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

type kind int

const (
	get kind = iota
	put
	del
)

// access is one call on one key.
type access struct {
	kind    kind
	version uint64 // that a write is based on
	value   string
}

// outcome is its answer. The zero value is a write that was done.
type outcome struct {
	unknown  bool
	conflict bool
	// Of a read:
	version uint64
	value   string
	exists  bool
}

// content is what one copy of the store holds for a key.
type content struct {
	version uint64
	value   string
	exists  bool
}

// keyModel is one key of a store of which there is one copy.
var keyModel = porcupine.Model{
	Init: func() any { return content{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(content), input.(access), output.(outcome)
		if in.kind == get {
			return out.version == s.version && out.exists == s.exists && (!s.exists || out.value == s.value), s
		}
		fits := in.version == s.version
		next := s
		if fits {
			next = content{version: s.version + 1, value: in.value, exists: in.kind == put}
			if in.kind == del {
				next.value = ""
			}
		}
		switch {
		case out.unknown:
			return true, next // it came too late, or at all, if it did not fit
		case out.conflict:
			return !fits, s
		}
		return fits, next
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(access), output.(outcome)
		return fmt.Sprintf("%s -> %+v", [...]string{
			"get", fmt.Sprintf("put %s at %d", in.value, in.version), fmt.Sprintf("delete at %d", in.version),
		}[in.kind], out)
	},
}
