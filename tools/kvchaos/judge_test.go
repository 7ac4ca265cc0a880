package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// call is one line of a history in a test.
func call(client int, from, to int64, in access, out outcome) porcupine.Operation {
	if out.unknown {
		to = never
	}
	return porcupine.Operation{ClientId: client, Input: in, Call: from, Output: out, Return: to}
}

func write(version uint64, value string) access { return access{put, version, value} }

func read(version uint64, value string) outcome {
	return outcome{version: version, value: value, exists: version > 0 && value != ""}
}

// The judge has to find every way in which a store can be wrong.
func TestJudge(t *testing.T) {
	ok := outcome{}
	for _, test := range []struct {
		name  string
		ops   []porcupine.Operation
		final content
		wrong string // part of the error
	}{
		{name: "all right", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), ok), call(2, 5, 15, write(0, "b"), outcome{conflict: true}),
			call(2, 20, 30, access{}, read(1, "a")), call(1, 40, 50, access{kind: del, version: 1}, ok),
			call(2, 60, 70, access{}, outcome{version: 2}),
		}, final: content{version: 2}},
		{name: "unknown write that happened", ops: []porcupine.Operation{
			call(1, 0, 0, write(0, "a"), outcome{unknown: true}), call(2, 20, 30, access{}, read(0, "")), call(2, 40, 50, access{}, read(1, "a")),
		}, final: content{1, "a", true}},
		{name: "unknown write that did not happen", ops: []porcupine.Operation{
			call(1, 0, 0, write(0, "a"), outcome{unknown: true}), call(2, 20, 30, access{}, read(0, "")),
		}},
		{name: "stale read", wrong: "history", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), ok), call(2, 20, 30, access{}, read(0, "")),
		}, final: content{1, "a", true}},
		{name: "read that goes back", wrong: "history", ops: []porcupine.Operation{
			call(1, 0, 0, write(0, "a"), outcome{unknown: true}), call(2, 20, 30, access{}, read(1, "a")), call(3, 40, 50, access{}, read(0, "")),
		}, final: content{1, "a", true}},
		{name: "lost write", wrong: "lost", ops: []porcupine.Operation{call(1, 0, 10, write(0, "a"), ok)}},
		{name: "two writes of one version", wrong: "lost", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), ok), call(2, 20, 30, write(0, "b"), ok),
		}, final: content{1, "b", true}},
		{name: "write that happened twice", wrong: "nobody", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), ok),
		}, final: content{2, "a", true}},
		{name: "another value", wrong: "history", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), ok), call(2, 20, 30, access{}, read(1, "b")),
		}, final: content{1, "a", true}},
		{name: "conflict without a reason", wrong: "history", ops: []porcupine.Operation{
			call(1, 0, 10, write(0, "a"), outcome{conflict: true}),
		}},
	} {
		var v verdict
		err := v.judge(&history{ops: map[string][]porcupine.Operation{"k": test.ops}}, map[string]content{"k": test.final}, t.TempDir())
		if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.wrong)
		}
	}
}

// Many writes without an answer must not take the judge for ever.
func TestJudgeTakesManyUnknownWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var ops []porcupine.Operation
	version, at := uint64(0), int64(0)
	for range 300 {
		at += 10
		for r.IntN(3) == 0 { // a crowd that is late
			ops = append(ops, call(len(ops)%12, at, 0, write(version-min(version, uint64(r.IntN(3))), fmt.Sprint(at, len(ops))), outcome{unknown: true}))
		}
		if r.IntN(8) == 0 { // lost on its way
			ops = append(ops, call(len(ops)%12, at, 0, write(version, fmt.Sprint(at)), outcome{unknown: true}))
			continue
		}
		ops = append(ops, call(len(ops)%12, at, at+15, write(version, fmt.Sprint(at)), outcome{}))
		version++
	}
	began := time.Now()
	var v verdict
	last := ops[len(ops)-1]
	for i := len(ops) - 1; last.Output.(outcome).unknown; i-- {
		last = ops[i-1]
	}
	final := content{version, last.Input.(access).value, true}
	if err := v.judge(&history{ops: map[string][]porcupine.Operation{"k": ops}}, map[string]content{"k": final}, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	await.Took(t, "the verdict comes", time.Since(began), 20*time.Second)
}

func TestWhatCountsAsUnknown(t *testing.T) {
	for _, test := range []struct {
		in   access
		a    client.Answer
		want counts
	}{
		{write(0, "a"), client.Answer{Code: phxkv.CodeOK}, counts{Puts: 1}},
		{access{kind: del}, client.Answer{Code: phxkv.CodeOK}, counts{Deletes: 1}},
		{write(0, "a"), client.Answer{Code: phxkv.CodeVersionConflict}, counts{Conflicts: 1}},
		{write(0, "a"), client.Answer{Code: phxkv.CodeNoMaster}, counts{Refused: 1}},
		{write(0, "a"), client.Answer{Code: phxkv.CodeFail, Err: errors.New("DeadlineExceeded")}, counts{Unknown: 1}},
		{write(0, "a"), client.Answer{Code: phxkv.CodeFail, Err: errors.New("dial: connect: connection refused")}, counts{Refused: 1}},
		{access{}, client.Answer{Code: phxkv.CodeFail, Err: errors.New("x")}, counts{Unknown: 1}},
		{access{}, client.Answer{Code: phxkv.CodeNotExist, Data: &phxkv.Data{}}, counts{Reads: 1}},
	} {
		h := newHistory()
		h.note("k", porcupine.Operation{}, test.in, test.a)
		if h.counts != test.want {
			t.Errorf("%+v, %+v: %+v, want %+v", test.in, test.a, h.counts, test.want)
		}
	}
}

// packetOf is a packet as a node sends it, with its length in front.
func packetOf(from nodeid.ID, instance uint64) []byte {
	b := wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: from, Instance: instance})
	n := len(b) + 4
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, b...)
}

func TestProxyCutsLinks(t *testing.T) {
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	arrived := make(chan []byte, 100)
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					frame, err := readFrame(conn, nil)
					if err != nil {
						return
					}
					arrived <- frame
				}
			}()
		}
	}()
	l := newLinks()
	p, err := newProxy(l, ids, 2, server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var conns [2]net.Conn
	connect := func(i int) {
		if conns[i], err = net.Dial("tcp4", ids[2].String()); err != nil {
			t.Fatal(err)
		}
	}
	send := func(i int, instance uint64) { conns[i].Write(packetOf(ids[i], instance)) }
	comes := func(i int, instance uint64) {
		t.Helper()
		select {
		case got := <-arrived:
			if !bytes.Equal(got, packetOf(ids[i], instance)) {
				t.Fatalf("another packet than %d of %d arrived", instance, i)
			}
		case <-time.After(await.Limit(t)):
			t.Fatalf("packet %d of %d does not arrive", instance, i)
		}
	}
	connect(0)
	connect(1)
	send(0, 1)
	comes(0, 1)
	send(1, 1)
	comes(1, 1)
	l.set(stalled, [2]int{0, 2})
	send(0, 2)
	send(1, 2)
	comes(1, 2) // and nothing of 0
	l.heal()
	comes(0, 2)
	l.set(dropped, [2]int{0, 2})
	send(0, 3)
	conns[0].SetReadDeadline(time.Now().Add(await.Limit(t)))
	if _, err := conns[0].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a dropped connection is open: %v", err)
	}
	l.heal()
	connect(0)
	send(0, 4)
	comes(0, 4)
}

func TestOptions(t *testing.T) {
	for _, bad := range []string{"-time 0s", "-epoch 1s", "-nodes 2", "-nodes 8", "-clients 0", "-keys 0", "-pace -1s", "more", "-nonsense"} {
		if o, err := parseArgs(strings.Fields(bad), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: %+v", bad, o)
		}
	}
	if _, err := parseArgs(nil, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// A short run with real servers.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a cluster of servers for some seconds")
	}
	var out bytes.Buffer
	o, err := parseArgs([]string{"-time", "5s", "-epoch", "5s", "-dir", t.TempDir(), "-wipe=false"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if code := chaos(t.Context(), o, &out); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &out)
	}
	if !strings.Contains(out.String(), "are linearizable; 0 lost, 0 double") {
		t.Errorf("printed %s", &out)
	}
}

func TestChaosOfABrokenServerFails(t *testing.T) {
	var out bytes.Buffer
	o, err := parseArgs([]string{"-time", "5s", "-server", "/bin/false", "-dir", t.TempDir()}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if code := chaos(t.Context(), o, &out); code != exitFail {
		t.Errorf("exit code %d\n%s", code, &out)
	}
}
