package phxkv_test

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// write puts a key for the first caller of its version. A slow machine may be
// without a master for a moment.
func write(t *testing.T, k *client.Client, key, value string, version uint64) {
	t.Helper()
	var answer client.Answer
	await.True(t, "a master", func() bool {
		answer = k.Put(t.Context(), key, []byte(value), version)
		return answer.Code != phxkv.CodeNoMaster
	})
	if answer.Code != phxkv.CodeOK {
		t.Fatalf("Put(%.20q) at version %d: code %d, %v", key, version, answer.Code, answer.Err)
	}
}

func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.startAll()
	conn := dial(t, c.grpc(0))
	for _, service := range []string{"", "phxkv.PhxKVServer"} {
		answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, answer, err)
		}
	}
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	if all := strings.Join(names, " "); !strings.Contains(all, "phxkv.PhxKVServer") || !strings.Contains(all, "phxkv.PhxKVInspect") {
		t.Errorf("services: %s", all)
	}
}

// Sizes up to the limit work, and above it the error says what the limit is.
func TestSizes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.startAll()
	k := c.client(0)
	value := make([]byte, phxkv.OperationBytesMax-len("big"))
	for i := range value {
		value[i] = byte(i * i >> 7)
	}
	write(t, k, "big", string(value), 0)
	if answer := k.GetGlobal(t.Context(), "big"); answer.Code != phxkv.CodeOK || string(answer.Data.Value) != string(value) {
		t.Errorf("the largest value came back as code %d with %d bytes, %v", answer.Code, len(answer.Data.Value), answer.Err)
	}
	server := kvpb.NewPhxKVServerClient(dial(t, c.grpc(0)))
	_, err := server.Put(t.Context(), &kvpb.KVOperator{Key: "bigger", Value: append(value, "more bytes"...)})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), fmt.Sprint(phxkv.OperationBytesMax)) {
		t.Errorf("a value that is too large: %v", err)
	}
	_, err = server.Put(t.Context(), &kvpb.KVOperator{Key: "huge", Value: make([]byte, 2*phxkv.MessageBytesMax)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too large: %v", err)
	}
	if answer := k.GetLocal(t.Context(), "bigger"); answer.Code != phxkv.CodeNotExist {
		t.Errorf("behind refused writes: code %d, version %d", answer.Code, answer.Data.Version)
	}
}

// Keys and values are bytes, whatever they say in UTF-8.
func TestAnyBytes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.startAll()
	k := c.client(0)
	for i, key := range []string{"", "\x00", "a\x00b", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x80", "d", "p", "\xed\xa0\x80"} {
		value := []byte("\xff\x00" + key + fmt.Sprint(i))
		write(t, k, key, string(value), 0)
		if answer := k.GetGlobal(t.Context(), key); string(answer.Data.Value) != string(value) || answer.Data.Version != 1 {
			t.Errorf("GetGlobal(%q) = %q version %d, want %q", key, answer.Data.Value, answer.Data.Version, value)
		}
	}
	c.terminate(0)
	c.startAll()
	if answer := c.client(0).GetGlobal(t.Context(), "\xff\xff\xff\xff\xff\xff\xff\xff"); answer.Data.Version != 1 {
		t.Errorf("behind a restart: %v", answer)
	}
}

// Without a majority a call ends when its deadline does, and says so.
func TestDeadline(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, "-lease", "1h") // it does not end meanwhile
	c.startAll()
	master := c.master("a")
	for i, p := range c.nodes {
		if i != master {
			p.Kill()
		}
	}
	k := c.client(master)
	for name, call := range map[string]func(context.Context) (int, error){
		"put":       func(ctx context.Context) (int, error) { a := k.Put(ctx, "a", nil, 0); return a.Code, a.Err },
		"getglobal": func(ctx context.Context) (int, error) { a := k.GetGlobal(ctx, "a"); return a.Code, a.Err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		code, err := call(ctx)
		cancel()
		if code != phxkv.CodeFail || !strings.Contains(fmt.Sprint(err), codes.DeadlineExceeded.String()) {
			t.Errorf("%s: code %d, %v", name, code, err)
		}
	}
	if answer := k.GetLocal(t.Context(), "a"); answer.Code != phxkv.CodeNotExist {
		t.Errorf("a local read without a majority: %d, %v", answer.Code, answer.Err)
	}
}

// SIGTERM loses no answer of a call that runs, and leaves no group without a
// master for the rest of the lease.
func TestGracefulEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, "-lease", "24h", "-drain", "50s")
	c.startAll()
	first := c.master("a")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	unknown := map[string]error{}
	acked := map[string]uint64{}
	for n := range 4 {
		key := groupKeys[n%3] + fmt.Sprint(n)
		k := c.client(first)
		wg.Go(func() {
			for version := uint64(0); ; version++ {
				select {
				case <-stop:
					return
				default:
				}
				answer := k.Put(context.Background(), key, []byte("v"), version)
				mu.Lock()
				if answer.Code == phxkv.CodeFail && !strings.Contains(answer.Err.Error(), codes.Unavailable.String()) {
					unknown[key] = answer.Err
				}
				if answer.Code != phxkv.CodeOK {
					mu.Unlock()
					return
				}
				acked[key] = version + 1
				mu.Unlock()
			}
		})
	}
	await.True(t, "some load", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acked) == 4
	})
	c.terminate(first)
	close(stop)
	wg.Wait()
	for key, err := range unknown {
		t.Errorf("%s: a call that was running ended with %v", key, err)
	}
	defer func() {
		if t.Failed() {
			out, _ := c.tool((first+1)%3, "status")
			t.Logf("server %d was ended; then:\n%s", first, out)
		}
	}()
	for _, key := range groupKeys {
		c.master(key) // far sooner than in a day
	}
	for key, version := range acked {
		k := c.client((first + 1) % 3)
		if answer := k.GetGlobal(t.Context(), key); answer.Code != phxkv.CodeOK || answer.Data.Version < version {
			t.Errorf("%s: version %d (code %d), acknowledged %d", key, answer.Data.Version, answer.Code, version)
		}
	}
}

// The commands that the original does not have.
func TestMoreCommands(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.startAll()
	file := "# comment\n\nput k1 v1 0\nput k1 v2 1\nput \"a b\" \"c\\td\" 0\nput k1 v3 1\ngetglobal k1\ndelete k1 2\ngetlocal k1\n"
	if err := os.WriteFile(filepath.Join(c.dir, "commands"), []byte(file), 0o664); err != nil {
		t.Fatal(err)
	}
	many := &strings.Builder{}
	for i := range 500 {
		fmt.Fprintf(many, "put many%d v 0\nput many%d w 1\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "many"), []byte(many.String()), 0o664); err != nil {
		t.Fatal(err)
	}
	at := "./phxkv_client_tools ADDRESS "
	for _, test := range []struct {
		command, want string
		exit          int
	}{
		{at + "batch commands", "Put ok, key k1 value v1 version 0\nPut ok, key k1 value v2 version 1\n" +
			"Put ok, key a b value c\td version 0\nPut version conflict, key k1 value v3 version 1\n" +
			"GetGlobal ok, key k1 value v2 version 2\nDelete ok, key k1 version 2\nGetLocal key k1 not exist, version 3\n" +
			"Batch ok 5 conflict 1 notexist 1 fail 0\n", 0},
		{at + "batch -quiet -pipeline 500 < many", "Batch ok 1000 conflict 0 notexist 0 fail 0\n", 0},
		{"echo get x | " + at + "batch", "Batch ok 0 conflict 0 notexist 0 fail 0\n", 1},
		{at + "scan -limit 2 'a b'", "key a b value c\td version 1\nScan ok, keys 1\n", 0},
		{at + "scan k1", "Scan ok, keys 0\n", 0},
		{at + "scan many49 | tail -n 1", "Scan ok, keys 11\n", 0},
		{"./phxkv_client_tools -encoding hex ADDRESS put ff00 0aff 0", "Put ok, key ff00 value 0aff version 0\n", 0},
		{"./phxkv_client_tools -encoding base64 ADDRESS getglobal /wA=", "GetGlobal ok, key /wA= value Cv8= version 1\n", 0},
		{"./phxkv_client_tools -encoding hex ADDRESS scan ff", "key ff00 value 0aff version 1\nScan ok, keys 1\n", 0},
		{"./phxkv_client_tools -encoding hex ADDRESS getlocal xyz", "", 254},
		{"printf 'from stdin\\n' | ./phxkv_client_tools -value_file - ADDRESS put piped 0", "Put ok, key piped value from stdin\n version 0\n", 0},
		{"./phxkv_client_tools -raw ADDRESS getlocal piped", "from stdin\n", 0},
		{"./phxkv_client_tools -strict ADDRESS put piped x 0", "Put version conflict, key piped value x version 0\n", 1},
		{at + "status | wc -l", "4\n", 0},
		{at + "bench -clients 3 -keys 3 -time 300ms -warmup 50ms -zipf 1.5 | tail -n 1", "Bench ok, clients 3 size 100 conflict 0 fail 0\n", 0},
		{at + "bench -read getlocal -reads 1 -clients 2 -time 100ms -warmup 0s | tail -n 1", "Bench ok, clients 2 size 100 conflict 0 fail 0\n", 0},
		{at + "bench -clients 0", "", 254},
		{"./phxkv_client_tools -timeout 1s 127.0.0.1:1 status", "Status fail, ret -1\n", 1},
	} {
		out, exit := shell(t, c.dir, strings.ReplaceAll(test.command, "ADDRESS", c.grpc(0)))
		if out != test.want || exit != test.exit {
			t.Errorf("%s\nprinted %.300q, exit code %d\nwant    %.300q, exit code %d", test.command, out, exit, test.want, test.exit)
		}
	}
	for _, program := range []string{"./phxkv_grpcserver", "./phxkv_client_tools", "./phxkv_client_tools x bench"} {
		if out, exit := shell(t, c.dir, program+" -h"); exit != 0 || !strings.Contains(out, "ip:port") && !strings.Contains(out, "myip:myport") {
			t.Errorf("%s -h: exit code %d, %q", program, exit, out)
		}
	}
}

// untar unpacks a recorded directory.
func untar(t *testing.T, path, into string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(into, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(name, 0o775); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := writeSparse(name, r); err != nil {
			t.Fatal(err)
		}
	}
}

// writeSparse leaves out pages of zeros: the value files are 100 MB of them.
func writeSparse(name string, from io.Reader) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	size, page := int64(0), make([]byte, 64<<10)
	for in := bufio.NewReaderSize(from, len(page)); ; {
		n, err := io.ReadFull(in, page)
		if n > 0 && strings.Trim(string(page[:n]), "\x00") != "" {
			if _, err := out.WriteAt(page[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if err != nil {
			return out.Truncate(size)
		}
	}
}

// A server takes the directories of an original node over: with the log, by
// executing it; without it, by the values in the database.
func TestOriginalDirectories(t *testing.T) {
	t.Parallel()
	recorded := goldenPath(t, "disk/phxkv_sigterm_node1.tar.gz")
	want := originalValues(t)
	for _, withLog := range []bool{true, false} {
		c := newCluster(t, 1)
		untar(t, recorded, c.dir)
		if !withLog {
			if err := os.RemoveAll(filepath.Join(c.dir, "storage/paxoslog_0")); err != nil {
				t.Fatal(err)
			}
		}
		c.startAll()
		k := c.client(0)
		for key, v := range want {
			answer := k.GetGlobal(t.Context(), key)
			got := fmt.Sprintf("%d %d %s", answer.Code, answer.Data.Version, answer.Data.Value)
			if got != v {
				t.Errorf("with log %v: key %s is %q, want %q", withLog, key, got, v)
			}
		}
		if answer := k.Put(t.Context(), "key00", []byte("ours"), 2); answer.Code != phxkv.CodeOK {
			t.Errorf("with log %v: writing: %d, %v", withLog, answer.Code, answer.Err)
		}
		c.nodes[0].Kill()
		c.startAll()
		if answer := c.client(0).GetGlobal(t.Context(), "key00"); string(answer.Data.Value) != "ours" || answer.Data.Version != 3 {
			t.Errorf("with log %v: behind a crash key00 is %v", withLog, answer.Data)
		}
		c.terminate(0)
	}
}

// originalValues are what the recorded operations have left: code, version
// and value by key.
func originalValues(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(goldenPath(t, "disk/phxkv_sigterm_ops.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		var group int
		var op, key, value string
		var version uint64
		parts := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		if len(parts) != 3 {
			continue
		}
		if n, _ := fmt.Sscanf(parts[0], "group %d", &group); n != 1 {
			continue
		}
		words := strings.Fields(parts[1])
		op, key = words[0], words[1]
		if got := phxkv.GroupOf(key); got != group {
			t.Errorf("GroupOf(%q) = %d, want %d", key, got, group)
		}
		if !strings.Contains(parts[2], " ok, ") {
			continue
		}
		if _, err := fmt.Sscan(words[len(words)-1], &version); err != nil {
			t.Fatal(err)
		}
		if op == "delete" {
			want[key] = fmt.Sprintf("%d %d %s", phxkv.CodeNotExist, version+1, "")
			continue
		}
		value = words[2]
		want[key] = fmt.Sprintf("%d %d %s", phxkv.CodeOK, version+1, value)
	}
	if len(want) < 45 {
		t.Fatalf("%d keys: the list was not read", len(want))
	}
	return want
}

// A server that is killed while it is written to has lost nothing when it is
// back, and nothing happened twice: versions count.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.startAll()
	version := uint64(0)
	for round := range 4 {
		k := c.client(0)
		for range 30 {
			write(t, k, "a", fmt.Sprint(round), version)
			version++
		}
		c.nodes[0].Kill()
		c.startAll()
		if answer := c.client(0).GetGlobal(t.Context(), "a"); answer.Data.Version != version {
			t.Fatalf("round %d: version %d, want %d", round, answer.Data.Version, version)
		}
	}
}

// A server that comes back with nothing gets what no log keeps any more as a
// snapshot, and the rest from the logs; then it is as good as the others.
func TestDiskLost(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"one program": nil, "state machines in programs of their own": withProgram} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testDiskLost(t, newCluster(t, 3, append([]string{"-hold", "300"}, flags...)...))
		})
	}
}

func testDiskLost(t *testing.T, c *cluster) {
	c.startAll()
	k := c.client(0)
	for round := range uint64(500) {
		for _, key := range groupKeys {
			write(t, k, key, fmt.Sprint(round), round)
		}
	}
	await.True(t, "logs that are cleaned", func() bool {
		for i := range c.ids {
			status, err := k.Status(t.Context(), c.grpc(i))
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range status.Groups {
				if group.MinInstance == 0 {
					return false
				}
			}
		}
		return true
	})
	lost := (c.master("a") + 1) % 3
	c.nodes[lost].Kill()
	for _, path := range []string{c.kvPath(lost), c.logPath(lost)} {
		if err := os.RemoveAll(filepath.Join(c.dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	c.start(lost)
	await.True(t, "the same on the server that lost its disk", func() bool {
		other, exit := c.tool((lost+1)%3, "scan")
		out, _ := c.tool(lost, "scan")
		return exit == 0 && out == other
	})
	for group := range phxkv.Groups {
		// The first database of a group was made empty; a snapshot is the second.
		if _, err := os.Stat(filepath.Join(c.dir, c.kvPath(lost), fmt.Sprintf("g%d-1", group))); err != nil {
			t.Errorf("group %d came without a snapshot: %v", group, err)
		}
	}
}
