package hooks_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/hooks"
)

// slow looks at one breakpoint and leaves the others alone.
type slow struct {
	hooks.NoStorage
	found chan event.Event
}

func (s slow) Append(e event.Event) { s.found <- e }

func ExampleObserver() {
	s := slow{found: make(chan event.Event, 1)}
	observer := hooks.Observer(hooks.Set{Storage: s}, nil)

	observer.Observe(event.Event{Kind: event.IndexWrite})
	observer.Observe(event.Event{Kind: event.Append, Group: 3, Size: 100})
	e := <-s.found
	fmt.Println(e.Kind, "in group", e.Group, "of", e.Size, "bytes")
	// Output: Append in group 3 of 100 bytes
}

// Every kind of event has a hook of its name: a new kind needs
// "go generate ./plugin/monitor/hooks".
func TestEveryKindHasAHook(t *testing.T) {
	set := reflect.TypeFor[hooks.Set]()
	seen := map[string]string{}
	for i := range set.NumField() {
		family := set.Field(i).Type
		for m := range family.NumMethod() {
			name := family.Method(m).Name
			if other, ok := seen[name]; ok {
				t.Errorf("%s is in %s and in %s", name, other, family.Name())
			}
			seen[name] = family.Name()
		}
	}
	for k := event.None + 1; int(k) < event.Kinds; k++ {
		if _, ok := seen[k.String()]; !ok {
			t.Errorf("%v has no hook; run go generate ./plugin/monitor/hooks", k)
		}
		delete(seen, k.String())
	}
	for name, family := range seen {
		t.Errorf("%s.%s is the hook of no kind; run go generate ./plugin/monitor/hooks", family, name)
	}
}

func TestNextIsToldOfEverything(t *testing.T) {
	told := 0
	observer := hooks.Observer(hooks.Set{Loop: hooks.NoLoop{}}, event.Func(func(event.Event) { told++ }))
	for k := range event.Kind(event.Kinds) {
		observer.Observe(event.Event{Kind: k})
	}
	observer.Observe(event.Event{Kind: 255})
	if told != event.Kinds+1 {
		t.Errorf("%d of %d events came through", told, event.Kinds+1)
	}
}
