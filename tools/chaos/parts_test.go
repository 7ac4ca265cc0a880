package main

import (
	"bytes"
	"encoding/gob"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

func TestValueSaysWhetherItIsWhole(t *testing.T) {
	big := 0
	for seq := range uint32(2000) {
		k := key{Node: 3, Client: 9, Life: 100, Seq: seq}
		b := k.value()
		got, intact := parseValue(b)
		if got != k || !intact {
			t.Fatalf("%+v reads back as %+v, intact %v", k, got, intact)
		}
		if len(b) > keyBytes+fillMax {
			big++
		}
		if len(b) < keyBytes+8 {
			continue // a short value has no byte beside its key to damage
		}
		b[len(b)-1] ^= 1
		if _, intact := parseValue(b); intact {
			t.Fatalf("%+v: a flipped bit is not seen", k)
		}
	}
	if big == 0 || big > 100 {
		t.Errorf("%d of 2000 values are big", big)
	}
	large := key{Node: 3, Client: largeClients, Life: 100, Seq: 1}
	if got, intact := parseValue(large.value()); got != large || !intact || len(large.value()) < 1000 {
		t.Errorf("%+v reads back as %+v, intact %v, %d bytes", large, got, intact, len(large.value()))
	}
	if _, intact := parseValue([]byte("short")); intact {
		t.Error("a short value is called intact")
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add(key{Node: 1, Seq: 2}.value())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, intact := parseValue(b); intact && !bytes.Equal(k.value(), b) {
			t.Errorf("%x is called intact", b)
		}
	})
}

// execute gives a machine instances from … to-1 with two values each.
func execute(t *testing.T, m *machine, from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		for index := range 2 {
			e := sm.Entry{Instance: i, Index: index, Last: index == 1, Value: []byte{byte(i), byte(index)}}
			if _, err := m.Execute(e); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A machine that lost its memory and starts from its disk says the same about
// the instances that come again.
func TestMachineGoesOnFromItsDisk(t *testing.T) {
	dir := t.TempDir()
	marks := make(map[uint64]uint64)
	note := func(m mark) {
		if was, ok := marks[m.Instance]; ok && was != m.Chain {
			t.Errorf("instance %d: chain %x, was %x", m.Instance, m.Chain, was)
		}
		marks[m.Instance] = m.Chain
	}
	fault := func(text string) { t.Error(text) }
	m, err := openMachine(dir, 0, note, fault)
	if err != nil {
		t.Fatal(err)
	}
	if m.CheckpointInstance(0) != sm.NoCheckpoint {
		t.Error("a new machine has a checkpoint")
	}
	execute(t, m, 0, 1700)
	again, err := openMachine(dir, 0, note, fault)
	if err != nil {
		t.Fatal(err)
	}
	from := again.CheckpointInstance(0) + 1
	if from == 0 || from <= 1700-saveEvery-1 || from > 1700 {
		t.Fatalf("checkpoint %d after 1700 instances", from-1)
	}
	execute(t, again, from, 1700)
	if again.chain != m.chain {
		t.Errorf("chain %x, before the restart %x", again.chain, m.chain)
	}
	if want := 1700/markEvery + 1; len(marks) != want {
		t.Errorf("%d marks, want %d", len(marks), want)
	}
}

func TestMachineRefusesDamagedState(t *testing.T) {
	dir := t.TempDir()
	m, err := openMachine(dir, 0, func(mark) {}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, m, 0, 1)
	path := filepath.Join(dir, "state-0")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[3] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openMachine(dir, 0, nil, nil); err == nil {
		t.Error("damaged state was opened")
	}
}

func TestMachineSeesInstancesThatComeAgain(t *testing.T) {
	faults := 0
	m, err := openMachine(t.TempDir(), 0, func(mark) {}, func(string) { faults++ })
	if err != nil {
		t.Fatal(err)
	}
	execute(t, m, 0, 3)
	execute(t, m, 2, 3)
	if faults == 0 {
		t.Error("instance 2 came twice and nobody noticed")
	}
}

func TestReporterKeepsOrder(t *testing.T) {
	in, out := io.Pipe()
	r := newReporter(out)
	go func() {
		for i := range uint32(3000) {
			r.add(func(next *report) { next.Refused = append(next.Refused, key{Seq: i}) })
			if i%1000 == 999 {
				r.send(report{Paused: true})
			}
		}
		r.close()
		out.Close()
	}()
	decoder := gob.NewDecoder(in)
	seen, answers := uint32(0), 0
	for {
		var frame report
		if err := decoder.Decode(&frame); err != nil {
			break
		}
		for _, k := range frame.Refused {
			if k.Seq != seen {
				t.Fatalf("%d came after %d", k.Seq, seen)
			}
			seen++
		}
		if frame.Paused {
			if answers++; seen != uint32(answers)*1000 {
				t.Errorf("answer %d came behind %d reports", answers, seen)
			}
		}
	}
	if seen != 3000 || answers != 3 {
		t.Errorf("%d reports and %d answers, want 3000 and 3", seen, answers)
	}
}

func TestReporterLetsGoWhenTheParentIsGone(t *testing.T) {
	in, out := io.Pipe()
	in.Close()
	r := newReporter(out)
	for range backlogMax + 10 {
		r.add(func(*report) {})
	}
	r.close()
}

// A piece of garbage may be anything but a packet that differs from a real one
// in more than one byte at equal length, see source.piece.
func TestGarbageDamagesOneByteAtMost(t *testing.T) {
	real := bytes.Repeat([]byte{1, 2, 3, 4}, 500) // longer than any noise
	s := &source{rand: rand.New(rand.NewPCG(1, 2)), sample: func(int) []byte { return real }}
	kept := bytes.Clone(real)
	equalLength := 0
	for range 2000 {
		p := s.piece()
		if len(p) != len(real) {
			continue
		}
		equalLength++
		different := 0
		for i := range p {
			if p[i] != real[i] {
				different++
			}
		}
		if different != 1 {
			t.Fatalf("%d bytes differ", different)
		}
	}
	if equalLength == 0 {
		t.Error("no damaged packet in 2000 pieces")
	}
	if !bytes.Equal(real, kept) {
		t.Error("the sample itself was damaged")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "-1"}, {"-nodes", "2"}, {"-nodes", "10"}, {"-clients", "-1"}, {"-groups", "0"},
		{"-groups", "30"}, {"-large", "-1"}, {"-large", "21"}, {"-round-time", "1ms"}, {"-garbage", "-1s"}, {"-what"}, {"word"},
	} {
		if _, err := parseArgs(args, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	o, err := parseArgs(nil, io.Discard)
	if err != nil || o.Rounds != 200 || o.Nodes*o.Clients < 50 {
		t.Errorf("defaults %+v, %v", o, err)
	}
}
