package nodeaddr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

func ExampleParseList() {
	ids, _, err := nodeaddr.ParseList("127.0.0.1:11111,127.0.0.1:11112")
	fmt.Println(ids, err)
	// Output: [127.0.0.1:11111 127.0.0.1:11112] <nil>
}

func TestParse(t *testing.T) {
	tests := []struct {
		in, want, ignored string
		err               error
	}{
		{in: "127.0.0.1:11111", want: "127.0.0.1:11111"},
		{in: "10.20.30.40: 80", want: "10.20.30.40:80"},
		{in: "127.0.0.1:11111abc", want: "127.0.0.1:11111", ignored: "abc"},
		{in: "127.0.0.1:11111;127.0.0.1:11112", want: "127.0.0.1:11111", ignored: ";127.0.0.1:11112"},
		{in: "", err: nodeaddr.ErrSyntax},
		{in: ":", err: nodeaddr.ErrSyntax},
		{in: ":11111", err: nodeaddr.ErrSyntax},
		{in: "127.0.0.1", err: nodeaddr.ErrSyntax},
		{in: "127.0.0.1:", err: nodeaddr.ErrSyntax},
		{in: "127.0.0.1:x", err: nodeaddr.ErrSyntax},
		{in: "127.0.0.1:-1", err: nodeaddr.ErrSyntax},
		{in: "127.0.0.1:0", err: nodeid.ErrAddress},
		{in: "127.0.0.1:65536", err: nodeid.ErrAddress},
		{in: "127.0.0.1:99999999999999999999", err: nodeid.ErrAddress},
		{in: "300.0.0.1:11111", err: nodeid.ErrAddress},
		{in: "abc:11112", err: nodeid.ErrAddress},
		{in: " 127.0.0.1:11112", err: nodeid.ErrAddress},
		{in: "255.255.255.255:1", err: nodeid.ErrAddress},
		{in: "[::1]:11111", err: nodeaddr.ErrSyntax},
	}
	for _, tt := range tests {
		id, ignored, err := nodeaddr.Parse(tt.in)
		if !errors.Is(err, tt.err) {
			t.Errorf("Parse(%q): error %v, want %v", tt.in, err, tt.err)
			continue
		}
		if err == nil && (id.String() != tt.want || ignored != tt.ignored) {
			t.Errorf("Parse(%q) = %v ignoring %q, want %s ignoring %q", tt.in, id, ignored, tt.want, tt.ignored)
		}
	}
}

func TestParseList(t *testing.T) {
	tests := []struct {
		in, want string // want is "" for an error
		ignored  int
	}{
		{in: "127.0.0.1:1", want: "[127.0.0.1:1]"},
		{in: "127.0.0.1:1,127.0.0.1:2,", want: "[127.0.0.1:1 127.0.0.1:2]"},
		{in: "127.0.0.1:1;,127.0.0.1:2x", want: "[127.0.0.1:1 127.0.0.1:2]", ignored: 2},
		{in: ""}, {in: ","}, {in: ",127.0.0.1:1"},
		{in: "127.0.0.1:1,,127.0.0.1:2"}, {in: "127.0.0.1:1,,"},
		{in: "127.0.0.1:1,127.0.0.1"}, {in: "127.0.0.1:1,abc:2"},
	}
	for _, tt := range tests {
		ids, ignored, err := nodeaddr.ParseList(tt.in)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("ParseList(%q) = %v, want an error", tt.in, ids)
		case tt.want != "" && err != nil:
			t.Errorf("ParseList(%q): %v", tt.in, err)
		case tt.want != "" && (fmt.Sprint(ids) != tt.want || len(ignored) != tt.ignored):
			t.Errorf("ParseList(%q) = %v, ignored %q, want %s and %d ignored", tt.in, ids, ignored, tt.want, tt.ignored)
		}
	}
}

// The position tells the user where to look in a long list.
func TestParseListNamesThePosition(t *testing.T) {
	_, _, err := nodeaddr.ParseList("127.0.0.1:1,127.0.0.1:2,127.0.0.1")
	if err == nil || !strings.Contains(err.Error(), "address 3 of the list") {
		t.Errorf("error %v does not name the third address", err)
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"127.0.0.1:1", "127.0.0.1:1,2.2.2.2:65535,", "a:1", "1.1.1.1:1x,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ids, _, err := nodeaddr.ParseList(s)
		if err != nil {
			return
		}
		again, ignored, err := nodeaddr.ParseList(nodeaddr.List(ids))
		if err != nil || len(ignored) != 0 || fmt.Sprint(again) != fmt.Sprint(ids) {
			t.Fatalf("%q gave %v, which reads back as %v, ignored %q, error %v", s, ids, again, ignored, err)
		}
	})
}
