package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// etcdEnv makes this program a member of an etcd cluster.
const etcdEnv = "KVBENCH_ETCD"

// etcdMember says what a member is: name, client port, directory, and all
// members as name=peer URL.
func etcdMember(name, clientURL, peerURL, dir, cluster string) string {
	return strings.Join([]string{name, clientURL, peerURL, dir, cluster}, " ")
}

// etcdMain runs a member with etcd's own defaults, which sync every write.
func etcdMain(member string) error {
	words := strings.Split(member, " ")
	if len(words) != 5 {
		return fmt.Errorf("%s is %q", etcdEnv, member)
	}
	client, err := url.Parse(words[1])
	if err != nil {
		return err
	}
	peer, err := url.Parse(words[2])
	if err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = words[0], words[3], words[4]
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	c.LogLevel = "fatal" // it reports its own end as errors
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case <-stop:
		return nil
	case err := <-e.Err():
		return err
	}
}

// etcdTarget is etcd as it is asked.
type etcdTarget struct {
	clients []*clientv3.Client // at the leader
}

func (t *etcdTarget) name() string { return "etcd" }

func (t *etcdTarget) close() {
	for _, c := range t.clients {
		c.Close()
	}
}

// newEtcdTarget connects to the leader, which is etcd's best case.
func newEtcdTarget(ctx context.Context, endpoints []string, connections int) (*etcdTarget, error) {
	leader, err := etcdLeader(ctx, endpoints)
	if err != nil {
		return nil, err
	}
	t := &etcdTarget{}
	for range connections {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{leader}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
		if err != nil {
			t.close()
			return nil, err
		}
		t.clients = append(t.clients, c)
	}
	return t, nil
}

func etcdLeader(ctx context.Context, endpoints []string) (string, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return "", err
	}
	defer c.Close()
	for ctx.Err() == nil {
		for _, endpoint := range endpoints {
			ask, cancel := context.WithTimeout(ctx, time.Second)
			s, err := c.Status(ask, endpoint)
			cancel()
			if err == nil && s.Leader != 0 && s.Leader == s.Header.MemberId {
				return endpoint, nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return "", errors.New("etcd has no leader")
}

func (t *etcdTarget) caller(id int) caller {
	return &etcdCaller{t.clients[id%len(t.clients)]}
}

type etcdCaller struct{ c *clientv3.Client }

func (e *etcdCaller) prepare(context.Context, []string) error { return nil }

func (e *etcdCaller) put(ctx context.Context, key, value string) error {
	_, err := e.c.Put(ctx, key, value)
	return err
}

func (e *etcdCaller) get(ctx context.Context, key string, local bool) error {
	var options []clientv3.OpOption
	if local {
		options = append(options, clientv3.WithSerializable())
	}
	_, err := e.c.Get(ctx, key, options...)
	return err
}
