package identity

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func node(t *testing.T, s string) nodeid.ID {
	t.Helper()
	id, err := nodeid.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCheck(t *testing.T) {
	a, b := node(t, "10.0.0.1:7001"), node(t, "10.0.0.2:7002")
	c1, c2 := [16]byte{1}, [16]byte{2}
	recorded := Identity{Node: a, Cluster: c1, Groups: 3, Layout: "shared", Directory: 77, Incarnation: 5}
	want := Identity{Node: a, Groups: 3, Layout: "shared", Directory: 99}
	with := func(id Identity, change func(*Identity)) Identity { change(&id); return id }
	for _, test := range []struct {
		name     string
		found    *Identity
		noLog    bool
		want     Identity
		override bool
		next     Identity
		refused  []string // parts of the error; nil: none
	}{
		{name: "first start, or a log without identity", want: want,
			next: with(want, func(i *Identity) { i.Incarnation = 1 })},
		{name: "next start", found: &recorded, want: want,
			next: with(recorded, func(i *Identity) { i.Incarnation = 6 })},
		{name: "cluster is known by both", found: &recorded, want: with(want, func(i *Identity) { i.Cluster = c1 }),
			next: with(recorded, func(i *Identity) { i.Incarnation = 6 })},
		{name: "cluster becomes known", found: new(with(recorded, func(i *Identity) { i.Cluster = [16]byte{} })), want: with(want, func(i *Identity) { i.Cluster = c2 }),
			next: with(recorded, func(i *Identity) { i.Incarnation, i.Cluster = 6, c2 })},
		{name: "more groups", found: &recorded, want: with(want, func(i *Identity) { i.Groups = 4 }),
			next: with(recorded, func(i *Identity) { i.Incarnation, i.Groups = 6, 4 })},
		{name: "the log is gone", found: &recorded, noLog: true, want: with(want, func(i *Identity) { i.Groups, i.Layout = 2, "original" }),
			next: Identity{Node: a, Cluster: c1, Groups: 2, Layout: "original", Directory: 99, Incarnation: 6}},

		{name: "another node", found: &recorded, want: with(want, func(i *Identity) { i.Node = b }),
			refused: []string{"node 10.0.0.1:7001", "node 10.0.0.2:7002", "the node differs", Override}},
		{name: "another node, log gone", found: &recorded, noLog: true, want: with(want, func(i *Identity) { i.Node = b }),
			refused: []string{"the node differs"}},
		{name: "another node, override", found: &recorded, want: with(want, func(i *Identity) { i.Node = b }), override: true,
			next: with(recorded, func(i *Identity) { i.Incarnation, i.Node = 6, b })},
		{name: "fewer groups", found: &recorded, want: with(want, func(i *Identity) { i.Groups = 2 }),
			refused: []string{"3 groups", "2 groups", "the number of groups differs", "GroupCount"}},
		{name: "fewer groups, override", found: &recorded, want: with(want, func(i *Identity) { i.Groups = 2 }), override: true,
			refused: []string{"the number of groups differs"}},
		{name: "another layout", found: &recorded, want: with(want, func(i *Identity) { i.Layout = "original" }),
			refused: []string{"shared layout", "original layout", "the layout differs", Override}},
		{name: "another layout, override", found: &recorded, want: with(want, func(i *Identity) { i.Layout = "original" }), override: true,
			next: with(recorded, func(i *Identity) { i.Incarnation, i.Layout = 6, "original" })},
		{name: "another cluster", found: &recorded, want: with(want, func(i *Identity) { i.Cluster = c2 }),
			refused: []string{"cluster 01", "cluster 02", "the cluster differs"}},
		{name: "another cluster, override", found: &recorded, want: with(want, func(i *Identity) { i.Cluster = c2 }), override: true,
			refused: []string{"the cluster differs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			next, err := Check(test.found, !test.noLog, test.want, test.override)
			if test.refused == nil {
				if err != nil || next != test.next {
					t.Fatalf("%+v, %v; want %+v", next, err, test.next)
				}
				return
			}
			if !errors.Is(err, ErrForeign) {
				t.Fatalf("%+v, %v", next, err)
			}
			for _, part := range test.refused {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestCheckStamps(t *testing.T) {
	places := Places("original", 3)
	want := Stamps("original", 3, 77)
	at := func(directory uint64, place uint32) *Stamp { return &Stamp{directory, place} }
	for _, test := range []struct {
		name            string
		found           []*Stamp
		known, override bool
		directory       uint64
		write           []int
		refused         []string
	}{
		{name: "none yet", found: []*Stamp{nil, nil, nil}, directory: 77, write: []int{0, 1, 2}},
		{name: "all there", found: []*Stamp{at(77, 0), at(77, 1), at(77, 2)}, known: true, directory: 77},
		{name: "one is missing", found: []*Stamp{at(77, 0), nil, at(77, 2)}, known: true, directory: 77, write: []int{1}},
		{name: "the identity is lost", found: []*Stamp{nil, at(55, 1), at(55, 2)}, directory: 55, write: []int{0}},
		{name: "the identity is lost, and one is from elsewhere", found: []*Stamp{at(55, 0), at(55, 1), at(66, 2)}, refused: []string{"g2", "0000000000000042", "0000000000000037"}},
		{name: "two exchanged", found: []*Stamp{at(77, 1), at(77, 0), at(77, 2)}, known: true, refused: []string{"g0", "group 1", "group 0", Override}},
		{name: "one from another node", found: []*Stamp{at(77, 0), at(88, 1), at(77, 2)}, known: true, refused: []string{"g1"}},
		{name: "all from another node", found: []*Stamp{at(88, 0), at(88, 1), at(88, 2)}, known: true, refused: []string{"g0"}},
		{name: "exchanged, override", found: []*Stamp{at(77, 1), at(88, 1), nil}, known: true, override: true, directory: 77, write: []int{0, 1, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			directory, write, err := CheckStamps(places, test.found, want, test.known, test.override)
			if test.refused == nil {
				if err != nil || directory != test.directory || !slices.Equal(write, test.write) {
					t.Fatalf("%d, %v, %v", directory, write, err)
				}
				return
			}
			if !errors.Is(err, ErrForeign) {
				t.Fatalf("%d, %v, %v", directory, write, err)
			}
			for _, part := range test.refused {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}
