package phxpaxos

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// env is the outside world of a loop's group; see group.Env for who calls what.
type env struct{ *loop }

var _ group.Env = env{}

// variables are the storage's names of a group's variables.
var variables = [...]storage.Variable{
	group.MinChosen:       storage.MinChosen,
	group.SystemVariables: storage.SystemVariables,
	group.MasterVariables: storage.MasterVariables,
}

func (e env) Buffer(size int) []byte { return e.disk.buffers.take(size) }

func (e env) Save(s group.Save) { e.disk.save(&e.saver, s) }

func (e env) Send(to nodeid.ID, packet []byte, stream bool) {
	class := network.Datagram
	if stream {
		class = network.Stream
	}
	e.network.Send(to, packet, class)
}

func (e env) Finish(t *group.Ticket) { e.finish(t) }

func (e env) Read(instance uint64) (data []byte, ok bool, err error) {
	data, err = e.store.Read(e.index, instance, nil)
	return found(data, err)
}

func (e env) Max() (instance uint64, ok bool, err error) {
	instance, err = e.store.Max(e.index)
	return found(instance, err)
}

func (e env) Variable(name group.Variable) (value []byte, ok bool, err error) {
	if name == group.Newcomer {
		ok, err = e.marked()
		return nil, ok, err
	}
	if name == group.Ledger {
		return e.readLedger()
	}
	value, err = e.store.Variable(e.index, variables[name])
	return found(value, err)
}

func (e env) SetVariable(name group.Variable, value []byte) error {
	switch name {
	case group.Newcomer:
		return e.setMark(len(value) > 0)
	case group.Features:
		return e.storeFeatures(value)
	}
	if name == group.Ledger {
		return e.writeLedger(value)
	}
	if err := e.store.SetVariable(e.index, variables[name], value); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

func (e env) Do(j group.Job) { e.clerk.do(j) }

func (e env) Observe(ev event.Event) {
	ev.Group = e.index
	e.observer.observe(&ev)
	switch ev.Kind {
	case event.MessageIn:
		e.heard.hear(ev.Peer, e.at)
	case event.MembersChange:
		e.membersChanged()
	case event.MasterSelf, event.MasterOther:
		e.elected(ev.Peer, ev.Instance)
	}
}

// found turns the storage's ErrNotFound into an answer.
func found[T any](value T, err error) (T, bool, error) {
	var none T
	switch {
	case err == nil:
		return value, true, nil
	case errors.Is(err, storage.ErrNotFound):
		return none, false, nil
	}
	return none, false, fmt.Errorf("%w: %w", ErrStorage, err)
}
