package phxkv_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// Three servers in one process, where the race detector sees all of them, and
// nothing of them is left when they have ended.
func TestServersInOneProcess(t *testing.T) {
	before := runtime.NumGoroutine()
	ids, release, err := freeaddr.Hold(3, 10000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var servers, load sync.WaitGroup
	listening := make(chan struct{}, len(ids))
	ended := make(chan error, len(ids))
	var addresses []string
	for _, id := range ids {
		address := grpcAddress(t, id).String()
		addresses = append(addresses, address)
		dir := t.TempDir()
		servers.Go(func() {
			ended <- phxkv.Serve(ctx, phxkv.Options{
				Listen: address, MyNode: id, Nodes: ids, Lease: 2 * time.Second, Drain: 5 * time.Second,
				KVPath: filepath.Join(dir, "kvdb"), LogPath: filepath.Join(dir, "log"),
			}, func() { listening <- struct{}{} })
		})
	}
	for range ids {
		select {
		case <-listening:
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(await.Limit(t)):
			t.Fatal("a server does not listen")
		}
	}
	for n := range 6 {
		load.Go(func() { exercise(t, addresses[n%3], n) })
	}
	load.Wait()
	stop()
	servers.Wait()
	for range ids {
		if err := <-ended; err != nil {
			t.Errorf("a server ended with %v", err)
		}
	}
	await.True(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// exercise makes calls of all kinds.
func exercise(t *testing.T, address string, n int) {
	c := client.New(address, client.Options{})
	defer c.Close()
	key := fmt.Sprintf("key%d", n)
	for version := uint64(0); version < 40; {
		switch answer := c.Put(t.Context(), key, []byte(key), version); answer.Code {
		case phxkv.CodeOK:
			version++
		case phxkv.CodeNoMaster: // at the beginning
		default:
			t.Errorf("put %s at version %d: code %d, %v", key, version, answer.Code, answer.Err)
			return
		}
		if answer := c.GetGlobal(t.Context(), key); answer.Code == phxkv.CodeOK && answer.Data.Version != version {
			t.Errorf("%s has version %d, want %d", key, answer.Data.Version, version)
		}
		if version%20 != 19 {
			continue
		}
		if err := c.Scan(t.Context(), "", 0, func(string, *phxkv.Data) error { return nil }); err != nil {
			t.Error(err)
		}
		if _, err := c.Status(t.Context(), address); err != nil {
			t.Error(err)
		}
	}
	if answer := c.GetLocalSince(t.Context(), key, 1000); answer.Code == phxkv.CodeOK {
		t.Errorf("found version %d of %s, asked for 1000", answer.Data.Version, key)
	}
}

// What is proposed is the original's, byte for byte: these were recorded from
// original nodes.
func TestBytesAreTheOriginals(t *testing.T) {
	for text, want := range map[string]*kvpb.KVOperator{
		"0a056b65793031120876616c75655f30312002" + "28caa8a2d702": {Key: "key01", Value: []byte("value_01"), Operator: 2, Sid: 719885386},
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		var got kvpb.KVOperator
		if err := proto.Unmarshal(b, &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("%s: %v, %v, want %v", text, &got, err, want)
		}
		if again, err := proto.Marshal(&got); err != nil || hex.EncodeToString(again) != text {
			t.Errorf("written again: %x, %v, want %s", again, err, text)
		}
	}
	data := &phxkv.Data{Value: []byte("value_01"), Version: 2, Isdeleted: true}
	if b, err := proto.Marshal(data); err != nil || hex.EncodeToString(b) != "0a0876616c75655f3031"+"1002"+"1801" {
		t.Errorf("KVData is %x, %v", b, err)
	}
	// A field that the original does not set is not there.
	if b, err := proto.Marshal(&kvpb.KVResponse{Ret: -11}); err != nil || hex.EncodeToString(b) != "10f5ffffffffffffffff01" {
		t.Errorf("KVResponse is %x, %v", b, err)
	}
	var names []string
	for _, m := range kvpb.PhxKVServer_ServiceDesc.Methods {
		names = append(names, m.MethodName)
	}
	if all := strings.Join(names, " "); kvpb.PhxKVServer_ServiceDesc.ServiceName != "phxkv.PhxKVServer" || all != "Put GetLocal GetGlobal Delete" {
		t.Errorf("service %s has %s", kvpb.PhxKVServer_ServiceDesc.ServiceName, all)
	}
}
