package hooks_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// identities lets members state a cluster, or none where all had agreed to, and
// numbers that cannot be.
func identities(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	for _, from := range []nodeid.ID{b, c} {
		l.raw(wire.AppendMessage(nil, wire.Header{CRC: true, Identity: nodeid.Cluster{7}}, &paxos.Message{Kind: paxos.AskForLearn, From: from}))
	}
	l.fires(event.ClusterAdopted)
	l.say(paxos.Message{Kind: paxos.AskForLearn, From: b, Instance: 1 << 60})
	l.fires(event.MessageAbsurd)
	l.say(paxos.Message{Kind: paxos.LearnValue, From: stranger, Ballot: paxos.Ballot{Number: 1, Node: stranger}, Value: []byte("v")})
	l.fires(event.MessageNotAsked)

	agreed := newLab(t, all, func(o *phxpaxos.Options) {
		fsys, dir := o.LogStorage.(identity.Rooted).Root()
		s := feature.State{Level: feature.Newest, Limit: feature.NoLimit, Cluster: nodeid.Cluster{7}}
		if err := fsys.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := smallfile.Write(fsys, dir+"/phxpaxos_features", "features", 1, feature.AppendState(nil, s)); err != nil {
			t.Fatal(err)
		}
	})
	agreed.say(paxos.Message{Kind: paxos.AskForLearn, From: b})
	agreed.fires(event.MemberWithoutFeatures)
}
