package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// counter is a state machine that counts.
type counter struct{ n int }

func (*counter) ID() sm.ID { return 1 }

func (c *counter) Execute(sm.Entry) ([]byte, error) { c.n++; return nil, nil }

// child is another process: a node with two groups, alone in its cluster. It
// proposes, says so, and closes when its input ends.
func child(dir string) {
	if err := childNode(dir); err != nil {
		fmt.Println("child:", err)
		os.Exit(9)
	}
	os.Exit(0)
}

func childNode(dir string) error {
	ids, release, err := freeaddr.Hold(1)
	if err != nil {
		return err
	}
	defer release()
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: ids[0], Nodes: ids, LogStoragePath: dir, GroupCount: 2, UseMembership: true,
		StateMachines: []sm.StateMachine{&counter{}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 60 {
		if _, err := node.Propose(ctx, i%2, 1, bytes.Repeat([]byte{byte(i)}, 100+i)); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return node.Close()
}

// startChild starts a node and waits until it has proposed.
func startChild(t *testing.T, dir string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DOCTOR_CHILD_DIR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "ready" {
			return cmd, in
		}
		if strings.HasPrefix(lines.Text(), "child:") {
			t.Fatal(lines.Text())
		}
	}
	t.Fatal("the node ended before it was ready")
	return nil, nil
}

func TestNodes(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(map[bool]string{false: "closed", true: "killed"}[kill], func(t *testing.T) {
			dir := t.TempDir()
			cmd, in := startChild(t, dir)

			var out, errOut bytes.Buffer
			if code := run(t.Context(), []string{"phxpaxos_doctor", dir}, &out, &errOut, nil); code != exitNoVerdict ||
				!strings.Contains(errOut.String(), "in use") {
				t.Errorf("while the node runs: exit code %d, %s%s", code, &out, &errOut)
			}

			if kill {
				cmd.Process.Kill()
			} else {
				in.Close()
			}
			if err := cmd.Wait(); (err == nil) == kill {
				t.Fatalf("the node ended with %v", err)
			}
			r := diagnose(t, dir)
			for _, g := range r.Groups {
				if g.Instances < 30 || g.Cluster == 0 || g.Closed == kill || len(g.Findings) != 0 {
					t.Errorf("%+v", g)
				}
			}
			if r.Verdict != "healthy" || len(r.Groups) != 2 || len(r.Findings) != 0 {
				var b bytes.Buffer
				printReport(&b, r)
				t.Error(b.String())
			}
		})
	}
}
