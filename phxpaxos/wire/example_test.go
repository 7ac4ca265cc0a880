package wire_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// A message on its way from one node to another.
func Example() {
	sent := paxos.Message{
		Kind: paxos.Accept, From: 0x0100007F00002B67, Instance: 6,
		Value: wire.AppendValue(nil, 1, []byte("hello")),
	}
	packet := wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &sent)

	p, err := wire.Open(packet)
	if err != nil {
		fmt.Println(err)
		return
	}
	var m paxos.Message
	if err := p.Message(&m); err != nil {
		fmt.Println(err)
		return
	}
	id, body, _ := wire.SplitValue(m.Value)
	fmt.Printf("%v from %v, instance %d, for state machine %d: %s\n", m.Kind, m.From, m.Instance, id, body)

	packet[len(packet)-8] ^= 1 // the original's checksum would not notice
	_, err = wire.Open(packet)
	fmt.Println(err != nil)
	// Output:
	// Accept from 127.0.0.1:11111, instance 6, for state machine 1: hello
	// true
}

// Several values in one instance.
func ExampleAppendBatch() {
	value := wire.AppendBatch(nil, []wire.BatchEntry{{SM: 1, Value: []byte("aa")}, {SM: 1, Value: []byte("bbb")}})
	fmt.Printf("%x\n", value)

	_, body, _ := wire.SplitValue(value)
	entries, err := wire.DecodeBatch(body, nil)
	fmt.Println(len(entries), err)
	// Output:
	// 02e1f5050a060801120261610a0708011203626262
	// 2 <nil>
}
