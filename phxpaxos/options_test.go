package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func validOptions() Options {
	all := ids(3)
	return Options{MyNode: all[0], Nodes: all, LogStoragePath: "somewhere"}
}

func TestOptionsValidate(t *testing.T) {
	all := ids(3)
	tests := []struct {
		name   string
		change func(o *Options)
		want   []string // parts of the error's text; none: no error
	}{
		{"minimal", func(*Options) {}, nil},
		{"not set", func(o *Options) { *o = Options{} }, []string{"MyNode", "not set"}},
		{"no nodes", func(o *Options) { o.Nodes = nil }, []string{"Nodes", "empty"}},
		{"zero node", func(o *Options) { o.Nodes[1] = nodeid.None }, []string{"Nodes[1]"}},
		{"node twice", func(o *Options) { o.Nodes[2] = o.Nodes[0] }, []string{"Nodes[2]", "127.0.0.1:11111", "twice"}},
		{"not a member", func(o *Options) { o.Nodes = o.Nodes[1:] }, nil},
		{"follower", func(o *Options) { o.Followers = []Follower{{all[0], all[1]}} }, nil},
		{"follows itself", func(o *Options) { o.Followers = []Follower{{all[0], all[0]}} }, []string{"Followers[0]", "itself"}},
		{"follows two", func(o *Options) { o.Followers = []Follower{{all[0], all[1]}, {all[0], all[2]}} }, []string{"Followers[1].Node", "twice"}},
		{"follows nobody", func(o *Options) { o.Followers = []Follower{{Node: all[0]}} }, []string{"Followers[0].Follows"}},
		{"nobody follows", func(o *Options) { o.Followers = []Follower{{Follows: all[0]}} }, []string{"Followers[0].Node"}},
		{"no storage", func(o *Options) { o.LogStoragePath = "" }, []string{"LogStoragePath", "LogStorage"}},
		{"two storages", func(o *Options) { o.LogStorage = newMemory(1) }, []string{"LogStoragePath", "somewhere"}},
		{"own storage", func(o *Options) { o.LogStoragePath, o.LogStorage = "", newMemory(1) }, nil},
		{"small storage", func(o *Options) { o.LogStoragePath, o.LogStorage, o.GroupCount = "", newMemory(1), 2 }, []string{"LogStorage", "1 groups", "GroupCount = 2"}},
		{"groups negative", func(o *Options) { o.GroupCount = -1 }, []string{"GroupCount", "-1", "1..100000"}},
		{"groups most", func(o *Options) { o.GroupCount = 100000 }, nil},
		{"groups too many", func(o *Options) { o.GroupCount = 100001 }, []string{"GroupCount", "100001"}},
		{"sync interval", func(o *Options) { o.SyncInterval = -1 }, []string{"SyncInterval", "-1"}},
		{"hold", func(o *Options) { o.HoldInstances = 299 }, []string{"HoldInstances", "299", "300"}},
		{"checkpoint rate", func(o *Options) { o.CheckpointBytesPerSecond = 1000 }, []string{"CheckpointBytesPerSecond", "1000", "1048576"}},
		{"no bound on checkpoints", func(o *Options) { o.CheckpointBytesPerSecond = -1 }, nil},
		{"udp most", func(o *Options) { o.UDPMaxSize = 65507 }, nil},
		{"udp too large", func(o *Options) { o.UDPMaxSize = 65508 }, []string{"UDPMaxSize", "65508", "0..65507"}},
		{"udp negative", func(o *Options) { o.UDPMaxSize = -1 }, []string{"UDPMaxSize"}},
		{"secret", func(o *Options) { o.ClusterSecret = someSecret(network.SecretRequire) }, nil},
		{"secret short", func(o *Options) { o.ClusterSecret.Key = []byte("short") }, []string{"ClusterSecret", "Key", "5 bytes", "16"}},
		{"secret without mode", func(o *Options) { o.ClusterSecret = someSecret(network.SecretUnset) }, []string{"ClusterSecret", "Mode", "unset"}},
		{"secret and udp", func(o *Options) { o.ClusterSecret, o.UDPMaxSize = someSecret(network.SecretSend), 1 }, []string{"UDPMaxSize", "1", "ClusterSecret"}},
		{"secret and network", func(o *Options) { o.ClusterSecret, o.Network = someSecret(network.SecretSend), &hubNet{} }, []string{"ClusterSecret", "Network"}},
		{"sources", func(o *Options) { o.SourceCheck = network.SourceRefuse }, nil},
		{"sources unknown", func(o *Options) { o.SourceCheck = 3 }, []string{"SourceCheck", "SourceCheck(3)"}},
		{"sources and network", func(o *Options) { o.SourceCheck, o.Network = network.SourceOff, &hubNet{} }, []string{"SourceCheck", "off", "Network"}},
		{"timeout", func(o *Options) { o.ProposeTimeout = -time.Second }, []string{"ProposeTimeout", "-1s"}},
		{"attempts", func(o *Options) { o.ProposeAttempts = -3 }, []string{"ProposeAttempts", "-3"}},
		{"hold", func(o *Options) { o.MaxHoldThreads = -1 }, []string{"MaxHoldThreads"}},
		{"threshold", func(o *Options) { o.ProposeWaitTimeThreshold = -1 }, []string{"ProposeWaitTimeThreshold"}},
		{"batch count", func(o *Options) { o.Batch.CountMax = 65537 }, []string{"Batch.CountMax", "65537"}},
		{"batch bytes", func(o *Options) { o.Batch.BytesMax = -1 }, []string{"Batch.BytesMax"}},
		{"batch delay", func(o *Options) { o.Batch.Delay = -1 }, []string{"Batch.Delay"}},
		{"nil machine", func(o *Options) { o.StateMachines = []sm.StateMachine{nil} }, []string{"StateMachines[0]", "nil"}},
		{"reserved", func(o *Options) { o.StateMachines = []sm.StateMachine{newRegister(sm.Master)} }, []string{"StateMachines[0].ID()", "reserved"}},
		{"no id", func(o *Options) { o.StateMachines = []sm.StateMachine{newRegister(sm.None)} }, []string{"reserved"}},
		{"same id", func(o *Options) { o.StateMachines = []sm.StateMachine{newRegister(1), newRegister(1)} }, []string{"StateMachines[1].ID()", "another"}},
		{"machine of a group", func(o *Options) {
			o.StateMachines = []sm.StateMachine{newRegister(1)}
			o.GroupStateMachines = map[int][]sm.StateMachine{0: {newRegister(2)}}
		}, nil},
		{"same id in a group", func(o *Options) {
			o.StateMachines = []sm.StateMachine{newRegister(1)}
			o.GroupStateMachines = map[int][]sm.StateMachine{0: {newRegister(2), newRegister(1)}}
		}, []string{"GroupStateMachines[0][1].ID()"}},
		{"masters", func(o *Options) { o.UseMaster, o.MasterLease, o.Fence = true, 24*time.Hour, true }, nil},
		{"masters of groups", func(o *Options) { o.GroupCount, o.MasterGroups, o.Fence = 3, []int{2, 0}, true }, nil},
		{"masters twice", func(o *Options) { o.UseMaster, o.MasterGroups = true, []int{0} }, []string{"MasterGroups", "UseMaster"}},
		{"masters of no group", func(o *Options) { o.MasterGroups = []int{0, 1} }, []string{"MasterGroups[1]", "0..0"}},
		{"masters of a group twice", func(o *Options) { o.MasterGroups = []int{0, 0} }, []string{"MasterGroups[1]", "twice"}},
		{"short lease", func(o *Options) { o.MasterLease = time.Second - 1 }, []string{"MasterLease", "999.999999ms", "1s..24h"}},
		{"long lease", func(o *Options) { o.MasterLease = 24*time.Hour + 1 }, []string{"MasterLease", "1s..24h"}},
		{"negative lease", func(o *Options) { o.MasterLease = -1 }, []string{"MasterLease"}},
		{"fence without a master", func(o *Options) { o.Fence = true }, []string{"Fence", "UseMaster"}},
		{"machine of no group", func(o *Options) {
			o.GroupStateMachines = map[int][]sm.StateMachine{1: {newRegister(2)}}
		}, []string{"GroupStateMachines[1]", "0..0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := validOptions()
			test.change(&o)
			err := o.Validate()
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrOptions) || Code(err) != -2 {
				t.Fatalf("got %v with code %d, want ErrOptions with -2", err, Code(err))
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
			if _, runErr := Run(o); runErr == nil || runErr.Error() != err.Error() {
				t.Errorf("Run says %v", runErr)
			}
		})
	}
}

func TestOptionsLimits(t *testing.T) {
	for _, test := range []struct {
		groups         int
		large          bool
		count, bytes   int
		packed, packet int
	}{
		{1, false, 11240, 209715200, 10485632, 10485760},
		{100, false, 1102, 20971520, 10485632, 10485760},
		{1, true, 1124, 209715200, 52428672, 52428800},
		{100000, true, 100, 104857600, 52428672, 52428800},
	} {
		o := Options{GroupCount: test.groups, LargeValueMode: test.large}.withDefaults()
		count, bytes := o.inboxLimits()
		if count != test.count || bytes != test.bytes || o.packedMax() != test.packed || o.packetMax() != test.packet {
			t.Errorf("%+v: got %d %d %d %d", test, count, bytes, o.packedMax(), o.packetMax())
		}
	}
}

func TestCode(t *testing.T) {
	deadline, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("anything"), -1},
		{ErrConflict, 14}, {ErrExecuteFailed, 15}, {ErrFollower, 16}, {ErrNotMember, 17}, {ErrValueTooLarge, 18},
		{ErrTimeout, 404}, {ErrBusy, 405}, {ErrGroup, -5}, {ErrNotExist, 1005}, {ErrNotChosenYet, 1006},
		{ErrForeignCluster, -501}, {ErrClusterMismatch, -501}, {ErrVersionConflict, -502},
		{ErrNoCluster, 1001}, {ErrMemberExists, 1002}, {ErrMemberUnknown, 1003}, {ErrMemberSame, 1004},
		{ErrNotMaster, -1}, {ErrMasterChanged, -1},
		{ErrOptions, -2}, {ErrStorage, -1}, {ErrNetwork, -1}, {ErrGroupFailed, -1}, {ErrClosed, -1}, {ErrNoStateMachine, -1},
		{fmt.Errorf("deep: %w", fmt.Errorf("deeper: %w", group.ErrConflict)), 14},
		{fmt.Errorf("%w: %w", ErrTimeout, contextError(deadline)), 404},
		{errors.Join(errors.New("first"), ErrBusy), 405},
		{fmt.Errorf("%w: %w", ErrStorage, storage.ErrInUse), -1},
	} {
		if got := Code(test.err); got != test.code {
			t.Errorf("%v: got %d, want %d", test.err, got, test.code)
		}
	}
}

// Sentinels with the same code must not match each other.
func TestErrorsAreDistinct(t *testing.T) {
	all := []error{
		ErrConflict, ErrExecuteFailed, ErrFollower, ErrNotMember, ErrValueTooLarge, ErrTimeout, ErrBusy, ErrGroupFailed,
		ErrNoStateMachine, ErrClosed, ErrGroup, ErrNotExist, ErrNotChosenYet, ErrOptions, ErrStorage, ErrNetwork,
		ErrForeignCluster, ErrClusterMismatch, ErrVersionConflict, ErrNoCluster, ErrMemberExists, ErrMemberUnknown,
		ErrMemberSame, ErrNotMaster, ErrMasterChanged,
	}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%v, %v) is %v", a, b, i != j)
			}
		}
	}
}
