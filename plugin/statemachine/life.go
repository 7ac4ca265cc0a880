package statemachine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// life is one process of the state machine, from its start to its end. It is
// over as soon as anything is wrong with it: what a process holds in memory
// can be had again, so a doubtful one is worth nothing.
type life struct {
	number uint64 // 1, 2, 3 …
	began  time.Time
	opts   *Options
	client *goplugin.Client
	proc   *process
	rpc    pb.StateMachineClient
	desc   *pb.DescribeResponse
	asker  *asker          // nil if the process has no stream of queries
	lines  atomic.Int64    // that were opened
	ctx    context.Context // done when the life is over; its cause says why
	end    context.CancelCauseFunc
}

// errEnded says that the process ended by itself.
var errEnded = errors.New("the process has ended")

// startLife starts the program and waits until it has described itself. From
// then on ping is called every PingInterval; it has to make a call.
func startLife(ctx context.Context, path string, number uint64, opts *Options, ping func(*life)) (*life, error) {
	l := &life{number: number, began: time.Now(), opts: opts}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	logs := &childLogs{logger: opts.Logger}
	cmd := exec.Command(path, opts.Args...)
	cmd.Dir = opts.Dir
	var err error
	if l.proc, err = newProcess(cmd, logs); err != nil {
		return nil, fmt.Errorf("statemachine: start %s: %w", path, err)
	}
	l.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{protocolVersion: {pluginName: &service{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		StartTimeout:     opts.StartTimeout + time.Minute, // the one below is shorter, and covers more
		Logger:           hclog.NewNullLogger(),           // what is worth a line is said here
		SyncStdout:       logs, SyncStderr: logs,
		GRPCDialOptions: []grpc.DialOption{grpc.WithStaticStreamWindowSize(streamWindow), grpc.WithStaticConnWindowSize(connWindow), grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax))},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Env = append(spec.Env, opts.Env...)
			return l.proc, nil
		},
	})
	// go-plugin waits without a limit for a child that hangs after its first
	// line; a dead one ends every wait.
	timer := time.AfterFunc(opts.StartTimeout, func() { l.condemn(fmt.Errorf("not ready within %v", opts.StartTimeout)) })
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { l.condemn(context.Cause(ctx)) })()
	if err = l.connect(); err == nil {
		go l.watch(ping)
		return l, nil
	}
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	l.condemn(err)
	exit := l.bury()
	return nil, l.failed(path, err, exit, logs.lastWords())
}

func (l *life) connect() error {
	protocol, err := l.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(pluginName)
	if err != nil {
		return err
	}
	l.rpc = raw.(pb.StateMachineClient)
	l.desc, err = call(l, l.opts.StartTimeout, l.rpc.Describe, &pb.DescribeRequest{})
	if err != nil {
		return err
	}
	if id := sm.ID(l.desc.Id); id.Reserved() {
		return fmt.Errorf("it says that its id is %d, which is reserved", id)
	}
	if l.desc.Snapshots && !l.desc.Checkpoints {
		return errors.New("it says that it has snapshots and no checkpoints, which makes no sense")
	}
	if l.desc.Queries && l.desc.QueryStream {
		return l.startAsker()
	}
	return nil
}

// failed says why a life did not begin.
func (l *life) failed(path string, err error, exit, lastWords string) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = strings.TrimSuffix(text, " Failed to read any lines from plugin's stdout")
	if l.proc.tooLong.Load() {
		text = fmt.Sprintf("its first line has more than %d bytes", handshakeBytesMax)
	}
	if exit != "" {
		text += "; " + exit
	}
	if lastWords != "" {
		text += "; it wrote: " + lastWords
	}
	return fmt.Errorf("statemachine: %s did not start as a state machine: %s", path, text)
}

// watch asks for signs of life, and notices the end.
func (l *life) watch(ping func(*life)) {
	ticker := time.NewTicker(l.opts.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.proc.exited:
			l.condemn(errEnded)
			return
		case <-l.ctx.Done():
			return
		case <-ticker.C:
			ping(l)
		}
	}
}

// condemn ends the life because of err, and kills the process. Only the first
// call counts. It does not block.
func (l *life) condemn(err error) {
	l.end(err)
	l.proc.Kill(context.Background()) // it fails only if there is nothing to kill
}

// bury waits until a condemned process is gone and returns how it ended. No
// other may be started before: two would work on the same data.
func (l *life) bury() (exit string) {
	if l.proc.started() != nil {
		<-l.proc.read
		exit = l.proc.cmd.ProcessState.String()
	}
	l.client.Kill()
	return exit
}

// stop lets the process end by itself: its input ends. One that takes too long
// is killed.
func (l *life) stop(timeout time.Duration) (exit string) {
	l.end(ErrClosed)
	l.proc.stdin.Close()
	timer := time.AfterFunc(timeout, func() { l.proc.Kill(context.Background()) })
	defer timer.Stop()
	return l.bury()
}

// call makes one call. An error means that the life is over.
func call[Request, Response any](l *life, timeout time.Duration,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error), request Request,
) (Response, error) {
	return callWithin(l.ctx, l, timeout, method, request)
}

// callWithin is call that also ends with ctx, which must be derived from the
// life's; that alone is no reason to end the life.
func callWithin[Request, Response any](ctx context.Context, l *life, timeout time.Duration,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error), request Request,
) (Response, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := method(within, request)
	switch {
	case err == nil:
		return response, nil
	case ctx.Err() != nil && l.ctx.Err() == nil:
		return response, context.Cause(ctx)
	case status.Code(err) == codes.DeadlineExceeded:
		err = hangs(timeout)
	}
	l.condemn(err)
	return response, l.interrupted()
}

// watchdog ends the life after CallTimeout, unless it is stopped.
func (l *life) watchdog() *time.Timer {
	limit := l.opts.CallTimeout
	return time.AfterFunc(limit, func() { l.condemn(hangs(limit)) })
}

func hangs(timeout time.Duration) error { return fmt.Errorf("no answer within %v, it hangs", timeout) }

// interrupted is what a call on a life that is over ends with.
func (l *life) interrupted() error {
	return fmt.Errorf("%w: process %s: %w", sm.ErrInterrupted, l.proc.ID(), context.Cause(l.ctx))
}
