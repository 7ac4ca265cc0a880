// Package hooks has a method for each of the original's breakpoints, and for
// what this library adds to them. The package is promised to users; with a
// new kind of event an interface gets a new method, so embed the No… type of
// each interface that you implement.
//
//	type slow struct{ hooks.NoStorage }
//
//	func (slow) Append(e event.Event) {
//		if e.Took > time.Second { … }
//	}
//
//	observer := hooks.Observer(hooks.Set{Storage: slow{}}, nil)
//	node, err := phxpaxos.Run(phxpaxos.Options{…, Observer: observer})
//
// Methods are named as the kinds of package event, whose comments say which
// fields an event of the kind has. They are called by many goroutines at
// once, often on the hot path: they must be quick, must not block and must
// not call the node. The original's hooks are global to the process; these
// belong to one node.
package hooks

//go:generate go run ./generate ../../../phxpaxos/event/kind.go .
