package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// phxkvTarget is our servers as they are asked.
type phxkvTarget struct {
	clients []*client.Client
}

func (t *phxkvTarget) name() string { return "phxkv" }

func (t *phxkvTarget) close() {
	for _, c := range t.clients {
		c.Close()
	}
}

func newPhxkvTarget(address string, connections int) *phxkvTarget {
	t := &phxkvTarget{}
	for range connections {
		t.clients = append(t.clients, client.New(address, client.Options{}))
	}
	return t
}

// ready waits for masters of all groups.
func (t *phxkvTarget) ready(ctx context.Context) error {
	for _, key := range []string{"a", "b", "c"} { // one of each group
		for {
			answer := t.clients[0].GetGlobal(ctx, key)
			if answer.Code == phxkv.CodeOK || answer.Code == phxkv.CodeNotExist {
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("phxkv has no master: %w", answer.Err)
			}
		}
	}
	return nil
}

func (t *phxkvTarget) caller(id int) caller {
	return &phxkvCaller{c: t.clients[id%len(t.clients)], versions: map[string]uint64{}}
}

// phxkvCaller knows the versions of its keys.
type phxkvCaller struct {
	c        *client.Client
	versions map[string]uint64
}

func (p *phxkvCaller) prepare(ctx context.Context, keys []string) error {
	for _, key := range keys {
		answer := p.c.GetGlobal(ctx, key)
		if answer.Err != nil {
			return answer.Err
		}
		p.versions[key] = answer.Data.Version
	}
	return nil
}

func (p *phxkvCaller) put(ctx context.Context, key, value string) error {
	answer := p.c.Put(ctx, key, []byte(value), p.versions[key])
	if answer.Code != phxkv.CodeOK {
		return errors.Join(fmt.Errorf("put: code %d", answer.Code), answer.Err)
	}
	p.versions[key]++
	return nil
}

func (p *phxkvCaller) get(ctx context.Context, key string, local bool) error {
	var answer client.Answer
	if local {
		answer = p.c.GetLocal(ctx, key)
	} else {
		answer = p.c.GetGlobal(ctx, key)
	}
	if answer.Code != phxkv.CodeOK && answer.Code != phxkv.CodeNotExist {
		return errors.Join(fmt.Errorf("get: code %d", answer.Code), answer.Err)
	}
	return nil
}
