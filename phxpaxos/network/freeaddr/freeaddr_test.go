package freeaddr

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// few are so few ports that a test can take all of them: what it does not get
// then, it never gets.
type few []uint16

const fewCount = 50

// fewFrom are the ports from one on.
func fewFrom(port int) (f few) {
	for i := range fewCount {
		f = append(f, uint16(port+2*i))
	}
	return f
}

// ownFew are ports that no other test of this kind uses meanwhile, wherever it
// runs: a listener far below says so. Single ones may be taken by tests of other
// packages.
func ownFew(t *testing.T) few {
	t.Helper()
	const lockMin = 17000
	for _, i := range rand.Perm((portMax - portMin) / 2 / fewCount) {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(loopback(uint16(lockMin+i))))
		if err == nil {
			t.Cleanup(func() { l.Close() })
			return fewFrom(portMin + 2*fewCount*i)
		}
	}
	t.Fatal("all ports are in use")
	return nil
}

// hold is holdOf without offsets.
func (f few) hold(n int) (ids []nodeid.ID, release func(), err error) {
	return holdOf(f, n, []uint16{0})
}

// rest is every port that nobody holds.
func (f few) rest() (all []nodeid.ID, release func()) {
	var releases []func()
	for len(all) <= fewCount { // more would have been given twice
		ids, r, err := f.hold(1)
		if err != nil {
			break
		}
		all, releases = append(all, ids...), append(releases, r)
	}
	return all, func() {
		for _, r := range releases {
			r()
		}
	}
}

// childEnv makes the test's program another process, that takes the rest from
// a port on and holds it until it ends.
const childEnv = "FREEADDR_TEST_CHILD"

func TestMain(m *testing.M) {
	if from := os.Getenv(childEnv); from != "" {
		port, err := strconv.Atoi(from)
		if err != nil {
			panic(err)
		}
		ids, release := fewFrom(port).rest()
		for _, id := range ids {
			fmt.Println(id)
		}
		runtime.KeepAlive(release)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// restElsewhere is what another process gets, that has ended.
func (f few) restElsewhere(t *testing.T) (all []nodeid.ID) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	// With the race detector a process waits a second at its end otherwise.
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childEnv, f[0]), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		id, err := nodeid.Parse(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

// held holds ids until the end of the test.
func held(t *testing.T, ids []nodeid.ID, release func(), err error) []nodeid.ID {
	t.Helper()
	t.Cleanup(release)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func intersect(a, b []nodeid.ID) bool {
	return slices.ContainsFunc(a, func(id nodeid.ID) bool { return slices.Contains(b, id) })
}

// live listens as a node does, and ends.
func live(t *testing.T, id nodeid.ID) {
	t.Helper()
	tcp, err := net.Listen("tcp4", id.String())
	if err != nil {
		t.Fatalf("a node cannot listen: %v", err)
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(id.AddrPort().Port())})
	if err != nil {
		t.Fatalf("a node cannot listen: %v", err)
	}
	if err := errors.Join(tcp.Close(), udp.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestIDsAreNodesOnLoopback(t *testing.T) {
	ids, release, err := Hold(20)
	held(t, ids, release, err)
	for i, id := range ids {
		at := id.AddrPort()
		if !at.Addr().IsLoopback() || at.Port()%2 != 0 || at.Port() < portMin || at.Port() > portMax {
			t.Errorf("%v", id)
		}
		if slices.Contains(ids[:i], id) {
			t.Errorf("%v was given twice", id)
		}
		live(t, id)
	}
}

// While a port is held nobody gets it, though no node runs there.
func TestPortsOfNodesThatAreDownStayHeld(t *testing.T) {
	f := ownFew(t)
	ids, release, err := f.hold(5)
	held(t, ids, release, err)
	for _, id := range ids {
		live(t, id)
	}
	others, releaseOthers := f.rest()
	releaseOthers()
	if len(others) == 0 || intersect(ids, others) {
		t.Errorf("held %v, this process got %v", ids, others)
	}
	if others := f.restElsewhere(t); len(others) == 0 || intersect(ids, others) {
		t.Errorf("held %v, another process got %v", ids, others)
	}
	for _, id := range ids {
		live(t, id) // it is back
	}
}

// What is released, or was held by a process that has ended, can be had again.
// Tests of other packages may be quicker, but not every time.
func TestReleasedPortsCanBeHadAgain(t *testing.T) {
	f := ownFew(t)
	for name, before := range map[string]func() []nodeid.ID{
		"release": func() []nodeid.ID {
			ids, release, err := f.hold(5)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 3 { // more than once, also at once
				wg.Go(release)
			}
			wg.Wait()
			release()
			return ids
		},
		"end": func() []nodeid.ID { return f.restElsewhere(t) },
	} {
		for try := 1; ; try++ {
			ids := before()
			all, release := f.rest()
			release()
			if len(ids) > 0 && !slices.ContainsFunc(ids, func(id nodeid.ID) bool { return !slices.Contains(all, id) }) {
				break
			}
			if try == 20 {
				t.Errorf("%s: had %v, then got %v", name, ids, all)
				break
			}
		}
	}
}

// The ports at an offset are free, and no node's that is not of the cluster.
func TestOffsetsAreHeld(t *testing.T) {
	const redirectRule, more = 10000, 200
	ids, release, err := Hold(5, redirectRule, more)
	for _, id := range held(t, ids, release, err) {
		for _, o := range []uint16{0, more, redirectRule} {
			port := id.AddrPort().Port() + o
			if err := free(port); err != nil {
				t.Errorf("%v and %d: %v", id, o, err)
			}
			if _, taken, err := take(port, []uint16{0}); !errors.Is(err, syscall.EADDRINUSE) {
				taken.close()
				t.Errorf("%v and %d: the port can be taken, %v", id, o, err)
			}
		}
	}
}

// A port with something on it, at itself or at an offset, is passed over, and
// leaves no guard behind.
func TestPortsInUseArePassedOver(t *testing.T) {
	const offset = fewCount
	f, offsets := ownFew(t), []uint16{0, offset}
	type closer interface{ Close() error }
	for name, listen := range map[string]func(port uint16) (closer, error){
		"TCP": func(port uint16) (closer, error) { return net.ListenTCP("tcp4", &net.TCPAddr{Port: int(port)}) },
		"UDP": func(port uint16) (closer, error) {
			return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback(port)))
		},
	} {
		for _, o := range offsets {
			ids, release, err := holdOf(f[:fewCount/2], 1, offsets)
			if err != nil {
				t.Fatal(err)
			}
			port := ids[0].AddrPort().Port()
			l, err := listen(port + o)
			if err != nil {
				t.Fatal(err)
			}
			release()
			if _, _, err := take(port, offsets); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%s at %d: %v", name, o, err)
			}
			for _, guard := range []uint16{port + 1, port + offset + 1} {
				g, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(loopback(guard)))
				if err != nil {
					t.Fatalf("%s at %d: the guard is still there: %v", name, o, err)
				}
				g.Close()
			}
			l.Close()
		}
	}
}

// There are ports for all ids or for none.
func TestFailureReleasesEverything(t *testing.T) {
	f := ownFew(t)
	ids, release, err := f.hold(1)
	held(t, ids, release, err)
	for range 3 {
		ids, release, err := f.hold(fewCount)
		release()
		if err == nil || ids != nil || !strings.Contains(err.Error(), "want 50: ") || !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("%v, %v", ids, err)
		}
	}
	ids, release, err = f.hold(fewCount / 2)
	held(t, ids, release, err)
}

func TestConcurrentCallersShareNothing(t *testing.T) {
	const callers, each = 10, 3
	f := ownFew(t)
	all := make([][]nodeid.ID, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ids, release, err := f.hold(each)
			t.Cleanup(release)
			if err != nil {
				t.Error(err)
			}
			all[i] = ids
		})
	}
	wg.Wait()
	seen := map[nodeid.ID]bool{}
	for _, id := range slices.Concat(all...) {
		seen[id] = true
	}
	if len(seen) != callers*each {
		t.Errorf("%d different ids, want %d", len(seen), callers*each)
	}
}

func TestNumbersAndOffsets(t *testing.T) {
	for _, c := range []struct {
		n      int
		offset []uint16
		err    string
	}{
		{0, nil, ""},
		{0, []uint16{10000}, ""},
		{2, []uint16{10000, 10000, 0}, ""},
		{1, []uint16{9999}, "offset is 9999, must be even and in 0..13998: ports of nodes are even and in 18000..31998, odd ones guard them"},
		{0, []uint16{2, 1}, "offset is 1, must be even"},
		{1, []uint16{14000}, "offset is 14000, must be even and in 0..13998"},
		{1, []uint16{65534}, "offset is 65534, must be even and in 0..13998"},
		{-1, nil, "number of ids is -1, must be in 0..7000"},
		{7001, nil, "number of ids is 7001, must be in 0..7000"},
		{3, []uint16{13996}, "number of ids is 3, must be in 0..2 with these offsets"},
	} {
		ids, release, err := Hold(c.n, c.offset...)
		release()
		if c.err == "" && (err != nil || len(ids) != c.n) || c.err != "" && (err == nil || ids != nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("Hold(%d, %d) = %v, %v, want %q", c.n, c.offset, ids, err, c.err)
		}
	}
}
