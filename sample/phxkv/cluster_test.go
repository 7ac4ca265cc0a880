package phxkv_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// binaries is a directory with the programs, built once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-o", binaryDir+"/", "./phxkv_grpcserver", "./phxkv_client_tools", "./phxkv_sm").CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return binaryDir, nil
})

var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phxkv")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// cluster is some servers on real ports and a real disk. Its directory holds
// links to the programs, so that they are called as in the transcripts.
type cluster struct {
	t     *testing.T
	dir   string
	ids   []nodeid.ID
	flags []string         // of the servers
	own   map[int][]string // of one of them
	nodes []*process.Process
}

func newCluster(t *testing.T, size int, flags ...string) *cluster {
	t.Helper()
	ids, release, err := freeaddr.Hold(size, 10000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	c := &cluster{t: t, dir: workDir(t), ids: ids, flags: append([]string{"-lease", "2s"}, flags...), nodes: make([]*process.Process, len(ids))}
	return c
}

// workDir is a directory with the programs in it.
func workDir(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers in processes of their own")
	}
	from, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"phxkv_grpcserver", "phxkv_client_tools", "phxkv_sm"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c *cluster) grpc(i int) string { return grpcAddress(c.t, c.ids[i]).String() }

func grpcAddress(t *testing.T, id nodeid.ID) netip.AddrPort {
	t.Helper()
	addr, err := phxkv.GRPCAddress(id)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func (c *cluster) kvPath(i int) string  { return fmt.Sprintf("storage/kvdb_%d", i) }
func (c *cluster) logPath(i int) string { return fmt.Sprintf("storage/paxoslog_%d", i) }

func (c *cluster) startAll() {
	c.t.Helper()
	for i := range c.ids {
		c.start(i)
	}
	for _, key := range groupKeys {
		c.master(key)
	}
	c.level()
}

// level waits until all servers that run vote: one that came when the others
// had begun does so a little later, and is missed if another one goes before.
func (c *cluster) level() {
	c.t.Helper()
	for i, p := range c.nodes {
		if !running(p) {
			continue
		}
		k, last := c.client(i), ""
		await.Show(c.t, fmt.Sprintf("server %d votes", i), func() bool {
			ctx, cancel := context.WithTimeout(c.t.Context(), callLimit)
			defer cancel()
			status, err := k.Status(ctx, c.grpc(i))
			last = fmt.Sprint(status, err)
			for _, group := range status.GetGroups() {
				if group.Progress != "" || group.NowInstance == 0 {
					return false
				}
			}
			return err == nil
		}, func() string { return last })
	}
}

func (c *cluster) start(i int) {
	c.t.Helper()
	args := slices.Concat(c.flags, c.own[i], []string{"-log_dir", fmt.Sprintf("log%d", i),
		c.grpc(i), c.ids[i].String(), nodeaddr.List(c.ids), c.kvPath(i), c.logPath(i)})
	ctx, cancel := context.WithTimeout(c.t.Context(), await.Limit(c.t))
	defer cancel()
	want := fmt.Sprintf("Server listening on %s\n", c.grpc(i))
	p, err := process.StartServer(ctx, func(out string) bool { return out == want }, c.dir, "./phxkv_grpcserver", args...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Kill)
	c.nodes[i] = p
}

func (c *cluster) terminate(i int) {
	c.t.Helper()
	if err := c.nodes[i].Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	exits(c.t, c.nodes[i], 0)
}

func exits(t *testing.T, p *process.Process, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	if exit, err := p.Exit(ctx); err != nil || exit != want {
		t.Fatalf("exit code %d, %v, want %d; stdout %.500q, stderr %q", exit, err, want, p.Stdout(), p.Stderr())
	}
}

// Keys of the groups 0, 1 and 2.
var groupKeys = []string{"c", "a", "key_hello"}

// master waits until some server that runs answers for the group of a key,
// and returns which.
func (c *cluster) master(key string) (node int) {
	c.t.Helper()
	var answers []string
	await.Show(c.t, "a server is master of "+key, func() bool {
		answers = nil
		for i := range c.ids {
			var redirects []string
			reader := client.New(c.grpc(i), client.Options{Redirected: func(to string) { redirects = append(redirects, to) }})
			ctx, cancel := context.WithTimeout(c.t.Context(), callLimit)
			answer := reader.GetGlobal(ctx, key)
			cancel()
			reader.Close()
			if node = i; len(redirects) == 0 && (answer.Code == phxkv.CodeOK || answer.Code == phxkv.CodeNotExist) {
				return true
			}
			answers = append(answers, fmt.Sprintf("%s: code %d, %v, redirects %v", c.grpc(i), answer.Code, answer.Err, redirects))
		}
		return false
	}, func() string { return "only\n" + strings.Join(answers, "\n") })
	return node
}

// callLimit is how long a call may take that is made again if it has no answer.
// Without a majority a read never has one.
const callLimit = 5 * time.Second

// shell runs a command line and returns its output and exit code.
func shell(t *testing.T, dir, line string) (stdout string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("%.200s: %v", line, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// tool runs the client at node i.
func (c *cluster) tool(i int, args ...string) (stdout string, exit int) {
	c.t.Helper()
	for n, arg := range args {
		args[n] = "'" + arg + "'"
	}
	return shell(c.t, c.dir, "./phxkv_client_tools "+c.grpc(i)+" "+strings.Join(args, " "))
}

func (c *cluster) client(i int) *client.Client {
	k := client.New(c.grpc(i), client.Options{})
	c.t.Cleanup(func() { k.Close() })
	return k
}
