package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/registry"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	namespace = "/services"
	leaseTTL  = 11 // seconds
)

type etcd struct {
	client *clientv3.Client
	out    *output
	mutex  sync.Mutex
	leases map[string]clientv3.LeaseID
}

func newEtcd(addr string, out *output) (*etcd, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 5 * time.Second})
	return &etcd{client: client, out: out, leases: map[string]clientv3.LeaseID{}}, err
}

func etcdKey(instance *registry.ServiceInstance) string {
	return namespace + "/" + instance.Name + "/" + instance.ID
}

func (e *etcd) Name() string { return "etcd" }

func (e *etcd) Register(ctx context.Context, instance *registry.ServiceInstance) error {
	value, err := json.Marshal(instance)
	if err != nil {
		return err
	}
	lease, err := e.client.Grant(ctx, leaseTTL)
	if err != nil {
		return err
	}
	if _, err := e.client.Put(ctx, etcdKey(instance), string(value), clientv3.WithLease(lease.ID)); err != nil {
		return err
	}
	alive, err := e.client.KeepAlive(context.Background(), lease.ID)
	if err != nil {
		return err
	}
	go func() {
		for range alive {
		}
		log.Infof("the lease of %s is over", instance.ID)
	}()
	return e.replace(ctx, etcdKey(instance), lease.ID)
}

// The lease before ends only now that the key has a new one.
func (e *etcd) replace(ctx context.Context, key string, lease clientv3.LeaseID) error {
	e.mutex.Lock()
	before, had := e.leases[key]
	if lease == clientv3.NoLease {
		delete(e.leases, key)
	} else {
		e.leases[key] = lease
	}
	e.mutex.Unlock()
	if !had {
		return nil
	}
	_, err := e.client.Revoke(ctx, before)
	return err
}

func (e *etcd) Deregister(ctx context.Context, instance *registry.ServiceInstance) error {
	if _, err := e.client.Delete(ctx, etcdKey(instance)); err != nil {
		return err
	}
	return e.replace(ctx, etcdKey(instance), clientv3.NoLease)
}

func (e *etcd) Services(ctx context.Context, name string) ([]*registry.ServiceInstance, error) {
	list, _, err := e.read(ctx, name)
	return list, err
}

func (e *etcd) read(ctx context.Context, name string) ([]*registry.ServiceInstance, int64, error) {
	response, err := e.client.Get(ctx, namespace+"/"+name, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, err
	}
	list := make([]*registry.ServiceInstance, 0, len(response.Kvs))
	for _, entry := range response.Kvs {
		instance := &registry.ServiceInstance{}
		if err := json.Unmarshal(entry.Value, instance); err != nil {
			return nil, 0, err
		}
		list = append(list, instance)
	}
	return list, response.Header.Revision, nil
}

// The whole list again after each change.
func (e *etcd) Watch(_ context.Context, name string) (registry.Watcher, error) {
	var changes clientv3.WatchChan
	return newWatch(name, e.out, func(ctx context.Context) ([]*registry.ServiceInstance, error) {
		if changes != nil {
			if response, ok := <-changes; !ok || response.Err() != nil {
				changes = nil
				return nil, response.Err()
			}
			list, _, err := e.read(ctx, name)
			return list, err
		}
		list, revision, err := e.read(ctx, name)
		if err == nil {
			changes = e.client.Watch(ctx, namespace+"/"+name, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
		}
		return list, err
	}), nil
}
