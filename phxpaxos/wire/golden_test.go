package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

// golden is a row of golden/messages.tsv: a packet that an original node sent.
type golden struct {
	name    string
	cluster uint64
	group   int
	packet  []byte // without the frame of TCP
	decoded fieldMap
}

// readGolden returns all rows, or skips the test where the data is absent.
func readGolden(t testing.TB) (rows []golden) {
	t.Helper()
	data, err := os.ReadFile(findGolden(t, "messages.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	column := map[string]int{}
	for i, name := range strings.Split(lines[0], "\t") {
		column[name] = i
	}
	for _, line := range lines[1:] {
		cell := strings.Split(line, "\t")
		get := func(name string) string { return cell[column[name]] }
		g := golden{name: fmt.Sprintf("%s/%s/%s/%s", get("transport"), get("name"), get("variant"), get("gid"))}
		g.cluster, _ = strconv.ParseUint(get("gid"), 10, 64)
		g.group, _ = strconv.Atoi(get("groupidx"))
		if g.packet, err = hex.DecodeString(get("hex")); err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		if strconv.Itoa(len(g.packet)) != get("packet_len") {
			t.Fatalf("%s: %d bytes, want %s", g.name, len(g.packet), get("packet_len"))
		}
		if get("transport") == "tcp" {
			if n := binary.BigEndian.Uint32(g.packet); int(n) != len(g.packet) {
				t.Fatalf("%s: the frame says %d of %d bytes", g.name, n, len(g.packet))
			}
			g.packet = g.packet[4:]
		}
		g.decoded = parseDecoded(t, get("decoded"))
		rows = append(rows, g)
	}
	return rows
}

// findGolden looks for shared/golden next to one of the folders above.
func findGolden(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "shared", "golden", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if dir == filepath.Dir(dir) {
			t.Skipf("no shared/golden/%s next to any folder above: packets of original nodes are not checked", name)
		}
	}
}

// fieldMap is a line of fields, "Name=value Name=value …"; what a test has
// compared is taken out, so that nothing is left over in secret.
type fieldMap map[string]string

func parseDecoded(t testing.TB, s string) fieldMap {
	t.Helper()
	fields := fieldMap{}
	header, rest, ok := strings.Cut(strings.TrimPrefix(s, "Header{"), "} ")
	if !ok {
		t.Fatalf("no header in %q", s)
	}
	for _, f := range strings.Fields(header) {
		name, value, _ := strings.Cut(f, "=")
		fields["Header."+name] = value
	}
	for rest != "" {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			t.Fatalf("no field in %q", rest)
		}
		end := valueEnd(name, value)
		fields[name] = value[:end]
		rest = strings.TrimLeft(value[end:], " ")
	}
	return fields
}

// valueEnd returns where the value at the beginning of s ends: at a space that
// is neither in braces nor in quotes, or for the buffer, which is last, at the
// end.
func valueEnd(name, s string) int {
	if name == "Buffer" {
		return len(s)
	}
	depth, quoted := 0, false
	for i, r := range s {
		switch {
		case r == '\'':
			quoted = !quoted
		case quoted:
		case r == '{':
			depth++
		case r == '}':
			depth--
		case r == ' ' && depth == 0:
			return i
		}
	}
	return len(s)
}

// take removes a field; absent ones are "".
func (f fieldMap) take(name string) string {
	s := f[name]
	delete(f, name)
	return s
}

func (f fieldMap) number(t *testing.T, name string, got uint64) {
	t.Helper()
	s := f.take(name)
	if s == "" {
		s = "0"
	}
	if want, err := strconv.ParseUint(s, 10, 64); err != nil || got != want {
		t.Errorf("%s is %d, want %q", name, got, s)
	}
}

// node compares "number(address)".
func (f fieldMap) node(t *testing.T, name string, got nodeid.ID) {
	t.Helper()
	want := f.take(name)
	if s := fmt.Sprintf("%d(%s)", uint64(got), got); s != want && !(want == "" && got == nodeid.None) {
		t.Errorf("%s is %s, want %s", name, s, want)
	}
}

// quoted compares "len=n b'text'", with "..." behind it if the text is cut.
func quoted(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if s, ok := strings.CutPrefix(want, "len="); ok {
		length, text, _ := strings.Cut(s, " ")
		if strconv.Itoa(len(got)) != length {
			t.Errorf("%s has %d bytes, want %s", what, len(got), length)
		}
		want = text
	}
	want, cut := strings.CutSuffix(want, "...")
	text, err := strconv.Unquote(`"` + strings.TrimSuffix(strings.TrimPrefix(want, "b'"), "'") + `"`)
	if err != nil {
		t.Fatalf("%s: cannot read %q: %v", what, want, err)
	}
	if !bytes.Equal(got, []byte(text)) && !(cut && bytes.HasPrefix(got, []byte(text))) {
		t.Errorf("%s is %q, want %q", what, got, text)
	}
}

// text returns a message from protobuf's text format in braces.
func text[P any, PP interface {
	*P
	proto.Message
}](t *testing.T, s string) PP {
	t.Helper()
	p := PP(new(P))
	if err := prototext.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")), p); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return p
}

// value compares a packed value with "{smid=… …}".
func (f fieldMap) value(t *testing.T, got []byte) {
	t.Helper()
	s := f.take("Value")
	if s == "" {
		if len(got) != 0 {
			t.Errorf("there is a value of %d bytes, want none", len(got))
		}
		return
	}
	id, body, ok := SplitValue(got)
	if !ok {
		t.Fatalf("value %x is too short", got)
	}
	smid, rest, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(s, "{smid="), "}"), " ")
	name, number, named := strings.Cut(strings.TrimSuffix(smid, ")"), "(")
	if !named {
		number = name
	}
	if strconv.Itoa(int(id)) != number {
		t.Errorf("the state machine is %d, want %s", id, smid)
	}
	switch id {
	case sm.System:
		var v SystemVariables
		if err := DecodeSystemVariables(body, &v); err != nil {
			t.Fatal(err)
		}
		same(t, "system variables", v, systemFromProto(text[wirepb.SystemVariables](t, rest)))
	case sm.Master:
		var o MasterOperator
		if err := DecodeMasterOperator(body, &o); err != nil {
			t.Fatal(err)
		}
		same(t, "master operator", o, operatorFromProto(text[wirepb.MasterOperator](t, rest)))
	case sm.Batch:
		entries, err := DecodeBatch(body, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.Trim(rest, "[]"), ", ")
		if len(entries) != len(want) {
			t.Fatalf("%d values in the batch, want %d", len(entries), len(want))
		}
		for i, w := range want {
			smid, value, _ := strings.Cut(strings.TrimPrefix(w, "smid="), " ")
			if strconv.Itoa(int(entries[i].SM)) != smid {
				t.Errorf("value %d is for %d, want %s", i, entries[i].SM, smid)
			}
			quoted(t, "value "+strconv.Itoa(i), entries[i].Value, value)
		}
		if again := AppendBatch(nil, entries); !bytes.Equal(again, got) {
			t.Errorf("batch encoded again: %x, want %x", again, got)
		}
	default:
		quoted(t, "value", body, rest)
	}
}

// message compares all fields of m.
func (f fieldMap) message(t *testing.T, m *paxos.Message) {
	t.Helper()
	f.number(t, "MsgType", uint64(m.Kind))
	f.number(t, "InstanceID", m.Instance)
	f.node(t, "NodeID", m.From)
	f.number(t, "ProposalID", m.Ballot.Number)
	switch m.Kind {
	case paxos.LearnValue:
		f.node(t, "ProposalNodeID", m.Ballot.Node)
	case paxos.AskForLearn:
		f.node(t, "ProposalNodeID", m.Followed)
	case paxos.Prepare, paxos.Accept, paxos.Success:
		if m.Ballot.Node != m.From {
			t.Errorf("the ballot is %v's, want the sender's", m.Ballot.Node)
		}
	default:
		if m.Ballot.Node != nodeid.None {
			t.Errorf("the ballot is %v's, want nobody's", m.Ballot.Node)
		}
	}
	f.value(t, m.Value)
	f.number(t, "PreAcceptID", m.PreAccepted.Number)
	f.node(t, "PreAcceptNodeID", m.PreAccepted.Node)
	f.number(t, "RejectByPromiseID", m.RejectedBy)
	f.number(t, "NowInstanceID", m.Now)
	f.number(t, "MinChosenInstanceID", m.MinChosen)
	f.number(t, "LastChecksum", uint64(m.LastChecksum))
	if ack := f.take("Flag") == "1"; ack != m.NeedAck {
		t.Errorf("NeedAck is %v, want %v", m.NeedAck, ack)
	}
	system, master := f.take("SystemVariables"), f.take("MasterVariables")
	if m.HasVariables != (system != "") {
		t.Errorf("HasVariables is %v, want %v", m.HasVariables, !m.HasVariables)
	}
	if s := strings.Trim(system, "{}"); (s != "") != (len(m.SystemVariables) > 0) {
		t.Errorf("system variables %x, want %s", m.SystemVariables, system)
	} else if s != "" {
		var v SystemVariables
		if err := DecodeSystemVariables(m.SystemVariables, &v); err != nil {
			t.Fatal(err)
		}
		same(t, "system variables", v, systemFromProto(text[wirepb.SystemVariables](t, system)))
	}
	if s := strings.Trim(master, "{}"); (s != "") != (len(m.MasterVariables) > 0) {
		t.Errorf("master variables %x, want %s", m.MasterVariables, master)
	} else if s != "" {
		var v MasterVariables
		if err := DecodeMasterVariables(m.MasterVariables, &v); err != nil {
			t.Fatal(err)
		}
		same(t, "master variables", v, masterFromProto(text[wirepb.MasterVariables](t, master)))
	}
}

func (f fieldMap) checkpoint(t *testing.T, c *Checkpoint) {
	t.Helper()
	f.number(t, "MsgType", uint64(c.Kind))
	f.node(t, "NodeID", c.From)
	f.number(t, "Flag", uint64(c.Flag))
	f.number(t, "UUID", c.UUID)
	f.number(t, "Sequence", c.Sequence)
	f.number(t, "CheckpointInstanceID", c.Instance)
	f.number(t, "Checksum", uint64(c.Checksum))
	if want := f.take("FilePath"); c.Path != want {
		t.Errorf("the path is %q, want %q", c.Path, want)
	}
	f.number(t, "SMID", uint64(c.SM))
	f.number(t, "Offset", c.Offset)
	if s := f.take("Buffer"); s != "" {
		quoted(t, "buffer", c.Data, s)
		if sum := checksum.Sampled(0, c.Data, checksum.ValueStride); sum != c.Checksum {
			t.Errorf("the block's checksum is %d, stated is %d", sum, c.Checksum)
		}
	} else if len(c.Data) != 0 {
		t.Errorf("there are %d bytes of data, want none", len(c.Data))
	}
}

func TestGoldenPackets(t *testing.T) {
	for _, g := range readGolden(t) {
		t.Run(g.name, func(t *testing.T) {
			if group, ok := PeekGroup(g.packet); !ok || group != g.group {
				t.Errorf("PeekGroup says %d %v, want %d", group, ok, g.group)
			}
			p, err := Open(g.packet)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "packet", p, Packet{Group: g.group, Cluster: g.cluster, Command: p.Command, Body: p.Body})
			f := g.decoded
			f.number(t, "Header.gid", p.Cluster)
			f.number(t, "Header.rid", 0)
			f.number(t, "Header.cmdid", uint64(p.Command))
			f.number(t, "Header.version", 1)
			var again []byte
			if p.Command == CommandPaxos {
				var m paxos.Message
				if err := p.Message(&m); err != nil {
					t.Fatal(err)
				}
				f.message(t, &m)
				again = AppendMessage(nil, Header{Group: g.group, Cluster: g.cluster, CRC: false}, &m)
			} else {
				var c Checkpoint
				if err := p.Checkpoint(&c); err != nil {
					t.Fatal(err)
				}
				f.checkpoint(t, &c)
				again = AppendCheckpoint(nil, Header{Group: g.group, Cluster: g.cluster, CRC: false}, &c)
			}
			if len(f) != 0 {
				t.Errorf("fields that were not looked at: %v", f)
			}
			if !bytes.Equal(again, g.packet) {
				t.Errorf("encoded again:\n got %x\nwant %x", again, g.packet)
			}
		})
	}
}
