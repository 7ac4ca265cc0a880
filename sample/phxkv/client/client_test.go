package client_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// scripted answers every call with the same.
type scripted struct {
	kvpb.UnimplementedPhxKVServerServer
	answer *kvpb.KVResponse
}

func (s *scripted) Put(context.Context, *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.answer, nil
}

func (s *scripted) Delete(context.Context, *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.answer, nil
}

func (s *scripted) GetGlobal(context.Context, *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.answer, nil
}

func (s *scripted) GetLocal(context.Context, *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.answer, nil
}

// serve answers at the gRPC address of a node.
func serve(t *testing.T, id nodeid.ID, answer *kvpb.KVResponse) string {
	t.Helper()
	address, err := phxkv.GRPCAddress(id)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", address.String())
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	kvpb.RegisterPhxKVServerServer(s, &scripted{answer: answer})
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return address.String()
}

func TestRedirects(t *testing.T) {
	ids, release, err := freeaddr.Hold(4, 10000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	to := func(id nodeid.ID) *kvpb.KVResponse {
		return &kvpb.KVResponse{Ret: phxkv.CodeMasterRedirect, MasterNodeid: uint64(id)}
	}
	a := serve(t, ids[0], to(ids[1]))
	b := serve(t, ids[1], to(ids[0])) // a and b name each other
	c := serve(t, ids[2], to(nodeid.None))
	d := serve(t, ids[3], &kvpb.KVResponse{Ret: phxkv.CodeMasterRedirect, MasterNodeid: uint64(unreachable(t))})
	for _, test := range []struct {
		address string
		code    int
		said    []string
		err     string
	}{
		{a, phxkv.CodeFail, []string{b, a, b}, "sent this call on 4 times"},
		{c, phxkv.CodeNoMaster, nil, ""},
		{d, phxkv.CodeFail, nil, "use a paxos port up to"},
	} {
		for name, call := range map[string]func(*client.Client) client.Answer{
			"put":       func(k *client.Client) client.Answer { return k.Put(t.Context(), "key", nil, 0) },
			"delete":    func(k *client.Client) client.Answer { return k.Delete(t.Context(), "key", 0) },
			"getglobal": func(k *client.Client) client.Answer { return k.GetGlobal(t.Context(), "key") },
		} {
			var said []string
			k := client.New(test.address, client.Options{Redirected: func(address string) { said = append(said, address) }})
			answer := call(k)
			k.Close()
			if answer.Code != test.code || fmt.Sprint(said) != fmt.Sprint(test.said) || answer.Data == nil {
				t.Errorf("%s at %s: code %d, sent on to %v; want %d, %v", name, test.address, answer.Code, said, test.code, test.said)
			}
			if !strings.Contains(fmt.Sprint(answer.Err), test.err) || (test.code == phxkv.CodeFail) != (answer.Err != nil) {
				t.Errorf("%s at %s: error %v, want %q", name, test.address, answer.Err, test.err)
			}
		}
	}
}

// unreachable is a node whose port leaves no room for the rule.
func unreachable(t *testing.T) nodeid.ID {
	t.Helper()
	id, err := nodeid.Parse("127.0.0.1:60000")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The master is asked first from then on, until it fails.
func TestMasterIsRemembered(t *testing.T) {
	ids, release, err := freeaddr.Hold(2, 10000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	first := serve(t, ids[0], &kvpb.KVResponse{Ret: phxkv.CodeMasterRedirect, MasterNodeid: uint64(ids[1])})
	serve(t, ids[1], &kvpb.KVResponse{Data: &phxkv.Data{Value: []byte("v"), Version: 5}})
	times := 0
	k := client.New(first, client.Options{Redirected: func(string) { times++ }})
	defer k.Close()
	for range 3 {
		if answer := k.GetGlobal(t.Context(), "key"); answer.Code != phxkv.CodeOK || answer.Data.Version != 5 {
			t.Fatalf("%+v", answer)
		}
	}
	if times != 1 {
		t.Errorf("sent on %d times, want once", times)
	}
	if answer := k.GetLocal(t.Context(), "key"); answer.Code != phxkv.CodeMasterRedirect {
		t.Errorf("a local read went elsewhere: %+v", answer)
	}
}

func TestGetLocalSince(t *testing.T) {
	ids, release, err := freeaddr.Hold(1, 10000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	k := client.New(serve(t, ids[0], &kvpb.KVResponse{Data: &phxkv.Data{Version: 5}}), client.Options{})
	defer k.Close()
	for version, want := range map[uint64]int{4: phxkv.CodeOK, 5: phxkv.CodeOK, 6: phxkv.CodeVersionNotExist} {
		if answer := k.GetLocalSince(t.Context(), "key", version); answer.Code != want {
			t.Errorf("since %d: code %d, want %d", version, answer.Code, want)
		}
	}
}

func TestServerDown(t *testing.T) {
	k := client.New("127.0.0.1:1", client.Options{})
	defer k.Close()
	answer := k.Put(t.Context(), "key", nil, 0)
	if answer.Code != phxkv.CodeFail || !strings.Contains(fmt.Sprint(answer.Err), "127.0.0.1:1") {
		t.Errorf("%+v", answer)
	}
	if _, err := k.Status(t.Context(), "127.0.0.1:1"); err == nil {
		t.Error("status of nobody")
	}
	if err := k.Scan(t.Context(), "", 0, nil); err == nil {
		t.Error("scan of nobody")
	}
}
