// Package client talks to the servers of the key-value store. It follows the
// master as the original's client does: a server that is not the master of a
// key's group names it, and the client goes there. The package is part of an
// example and may change.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// redirectsMax is how often a call goes to another server; the original's
// number. Servers that name each other for longer have no master.
const redirectsMax = 3

// Options change how a Client works. The zero value is plain text.
type Options struct {
	// TLS protects the connections; nil means plain text.
	TLS *tls.Config
	// Redirected is told the address of every server that a call is sent on
	// to; nil means nobody. It may be called by several goroutines at once.
	Redirected func(address string)
}

// Answer is how a call ended.
type Answer struct {
	Code int         // phxkv.CodeOK or another of its codes
	Data *phxkv.Data // what was read; never nil
	Err  error       // with phxkv.CodeFail: why. Whether a write took effect is then unknown
}

// Client holds connections to the servers that it has met. It is safe for
// concurrent use.
type Client struct {
	address string
	options Options

	mu      sync.Mutex
	conns   map[string]*grpc.ClientConn
	masters [phxkv.Groups]string // where calls of a group go, empty for address
}

// New returns a client that asks the server at address, "ip:port", first. It
// does not connect before the first call.
func New(address string, o Options) *Client {
	return &Client{address: address, options: o, conns: map[string]*grpc.ClientConn{}}
}

// Close ends all connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	c.conns = map[string]*grpc.ClientConn{}
	return errors.Join(errs...)
}

func (c *Client) conn(address string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[address]; ok {
		return conn, nil
	}
	creds := insecure.NewCredentials()
	if c.options.TLS != nil {
		creds = credentials.NewTLS(c.options.TLS)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(phxkv.MessageBytesMax), grpc.MaxCallSendMsgSize(phxkv.MessageBytesMax)))
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", address, err)
	}
	c.conns[address] = conn
	return conn, nil
}

func (c *Client) master(group int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.masters[group] == "" {
		return c.address
	}
	return c.masters[group]
}

func (c *Client) setMaster(group int, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.masters[group] = address
}

// call is one of the calls of the service.
type call func(kvpb.PhxKVServerClient, context.Context, *kvpb.KVOperator, ...grpc.CallOption) (*kvpb.KVResponse, error)

// Put writes a key whose version is the given one, 0 if it was never written.
// After CodeFail it may be repeated: at most one of the calls takes effect,
// and the others then end with CodeVersionConflict.
func (c *Client) Put(ctx context.Context, key string, value []byte, version uint64) Answer {
	return c.follow(ctx, kvpb.PhxKVServerClient.Put, &kvpb.KVOperator{Key: key, Value: value, Version: version})
}

// Delete deletes a key, as Put writes it.
func (c *Client) Delete(ctx context.Context, key string, version uint64) Answer {
	return c.follow(ctx, kvpb.PhxKVServerClient.Delete, &kvpb.KVOperator{Key: key, Version: version})
}

// GetGlobal is a linearizable read.
func (c *Client) GetGlobal(ctx context.Context, key string) Answer {
	return c.follow(ctx, kvpb.PhxKVServerClient.GetGlobal, &kvpb.KVOperator{Key: key})
}

// GetLocal reads what the server at the client's address has.
func (c *Client) GetLocal(ctx context.Context, key string) Answer {
	answer, _ := c.ask(ctx, c.address, kvpb.PhxKVServerClient.GetLocal, &kvpb.KVOperator{Key: key})
	return answer
}

// GetLocalSince is GetLocal for a caller that has seen a version of the key:
// an older one gets CodeVersionNotExist.
func (c *Client) GetLocalSince(ctx context.Context, key string, version uint64) Answer {
	answer := c.GetLocal(ctx, key)
	if answer.Code == phxkv.CodeOK && answer.Data.Version < version {
		answer.Code = phxkv.CodeVersionNotExist
	}
	return answer
}

// follow makes a call at the master.
func (c *Client) follow(ctx context.Context, call call, op *kvpb.KVOperator) Answer {
	group := phxkv.GroupOf(op.Key)
	address := c.master(group)
	for redirects := 0; ; redirects++ {
		answer, master := c.ask(ctx, address, call, op)
		switch {
		case answer.Code == phxkv.CodeFail:
			c.setMaster(group, "") // it may be gone: ask again next time
			return answer
		case answer.Code != phxkv.CodeMasterRedirect:
			return answer
		case master == nodeid.None:
			c.setMaster(group, "")
			return Answer{Code: phxkv.CodeNoMaster, Data: answer.Data}
		case redirects == redirectsMax:
			return failure(answer.Data, fmt.Errorf("servers sent this call on %d times; the last one named %v", redirects+1, master))
		}
		to, err := phxkv.GRPCAddress(master)
		if err != nil {
			return failure(answer.Data, err)
		}
		address = to.String()
		c.setMaster(group, address)
		if c.options.Redirected != nil {
			c.options.Redirected(address)
		}
	}
}

// ask makes a call at one server, and returns whom it named as master.
func (c *Client) ask(ctx context.Context, address string, call call, op *kvpb.KVOperator) (Answer, nodeid.ID) {
	conn, err := c.conn(address)
	if err != nil {
		return failure(nil, err), nodeid.None
	}
	var trailer metadata.MD
	response, err := call(kvpb.NewPhxKVServerClient(conn), ctx, op, grpc.Trailer(&trailer))
	if err != nil {
		return failure(nil, fmt.Errorf("server %s: %w", address, clean(err))), nodeid.None
	}
	answer := Answer{Code: int(response.Ret), Data: response.Data}
	if answer.Data == nil { // an original server leaves out what is empty
		answer.Data = &phxkv.Data{}
	}
	if answer.Code == phxkv.CodeFail {
		answer.Err = fmt.Errorf("server %s could not tell why", address)
		if reasons := trailer.Get(phxkv.ReasonTrailer); len(reasons) > 0 {
			answer.Err = fmt.Errorf("server %s: %s", address, reasons[0])
		}
	}
	return answer, nodeid.ID(response.MasterNodeid)
}

func failure(data *phxkv.Data, err error) Answer {
	if data == nil {
		data = &phxkv.Data{}
	}
	return Answer{Code: phxkv.CodeFail, Data: data, Err: err}
}

// clean keeps of a gRPC error what a person needs.
func clean(err error) error {
	if s, ok := status.FromError(err); ok {
		return fmt.Errorf("%v: %s", s.Code(), s.Message())
	}
	return err
}

// Scan calls pair for every key with the prefix that the server at the
// client's address has, at most limit of them, 0 for all. Keys come in order
// within each group.
func (c *Client) Scan(ctx context.Context, prefix string, limit uint64, pair func(key string, data *phxkv.Data) error) error {
	conn, err := c.conn(c.address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream when pair fails
	stream, err := kvpb.NewPhxKVInspectClient(conn).Scan(ctx, &kvpb.ScanRequest{Prefix: prefix, Limit: limit})
	for err == nil {
		var page *kvpb.ScanPage
		if page, err = stream.Recv(); err != nil {
			break
		}
		for _, p := range page.Pairs {
			if err := pair(p.Key, p.Data); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("server %s: %w", c.address, clean(err))
}

// Status asks a server, at its own gRPC address, how far it is.
func (c *Client) Status(ctx context.Context, address string) (*kvpb.StatusResponse, error) {
	conn, err := c.conn(address)
	if err != nil {
		return nil, err
	}
	answer, err := kvpb.NewPhxKVInspectClient(conn).Status(ctx, &kvpb.StatusRequest{})
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", address, clean(err))
	}
	return answer, nil
}
