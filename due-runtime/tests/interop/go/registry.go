package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dobyte/due/v2/registry"
)

// Between two attempts when a registry does not answer.
const registryPause = 500 * time.Millisecond

func newRegistry(cfg *config, out *output) (registry.Registry, error) {
	switch {
	case cfg.Consul != "" && cfg.Etcd == "":
		return newConsul(cfg.Consul, out)
	case cfg.Etcd != "" && cfg.Consul == "":
		return newEtcd(cfg.Etcd, out)
	}
	return nil, fmt.Errorf("either consul or etcd has to be given")
}

// A watch over lists that a function fetches when they have changed.
type registryWatch struct {
	kind string
	life context.Context
	end  context.CancelFunc
	out  *output
	// The next list: the first time at once, later when it differs.
	fetch func(context.Context) ([]*registry.ServiceInstance, error)
	// What the caller has dealt with when it asks again.
	before []*registry.ServiceInstance
}

func newWatch(kind string, out *output, fetch func(context.Context) ([]*registry.ServiceInstance, error)) *registryWatch {
	life, end := context.WithCancel(context.Background())
	return &registryWatch{kind: kind, life: life, end: end, out: out, fetch: fetch}
}

func (w *registryWatch) Next() ([]*registry.ServiceInstance, error) {
	if w.before != nil {
		states := map[string]string{}
		for _, instance := range w.before {
			states[instance.ID] = instance.State
		}
		w.out.say(map[string]any{"say": "knows", "kind": w.kind, "states": states})
		w.before = nil
	}
	for {
		list, err := w.fetch(w.life)
		if w.life.Err() != nil {
			return nil, context.Canceled
		}
		if err == nil {
			w.before = append([]*registry.ServiceInstance{}, list...)
			return list, nil
		}
		time.Sleep(registryPause)
	}
}

func (w *registryWatch) Stop() error {
	w.end()
	return nil
}
