package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/registry"
	"github.com/hashicorp/consul/api"
)

const (
	// Due looks every ten seconds; a test has not the time.
	tcpInterval = "1s"
	tcpTimeout  = "5s"
	ttl         = 10 * time.Second
	deregister  = "30s"
	longPoll    = 60 * time.Second
	// What consul takes as one value.
	routesSize = 512
)

type consul struct {
	client *api.Client
	out    *output
	mutex  sync.Mutex
	beats  map[string]context.CancelFunc
}

func newConsul(addr string, out *output) (*consul, error) {
	client, err := api.NewClient(&api.Config{Address: addr})
	return &consul{client: client, out: out, beats: map[string]context.CancelFunc{}}, err
}

func (c *consul) Name() string { return "consul" }

func (c *consul) Register(ctx context.Context, instance *registry.ServiceInstance) error {
	registration, err := toConsul(instance)
	if err != nil {
		return err
	}
	options := api.ServiceRegisterOpts{}.WithContext(ctx)
	if err := c.client.Agent().ServiceRegisterOpts(registration, options); err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if stop, ok := c.beats[registration.ID]; ok {
		stop()
	}
	life, stop := context.WithCancel(context.Background())
	c.beats[registration.ID] = stop
	if err := c.client.Agent().UpdateTTL("service:"+registration.ID, "passed", api.HealthPassing); err != nil {
		return err
	}
	go c.beat(life, registration.ID)
	return nil
}

func (c *consul) beat(life context.Context, id string) {
	for {
		select {
		case <-life.Done():
			return
		case <-time.After(ttl / 2):
		}
		if err := c.client.Agent().UpdateTTL("service:"+id, "passed", api.HealthPassing); err != nil && life.Err() == nil {
			log.Warnf("heartbeat of %s: %v", id, err)
		}
	}
}

func (c *consul) Deregister(ctx context.Context, instance *registry.ServiceInstance) error {
	id := instance.Kind + "-" + instance.ID
	c.mutex.Lock()
	if stop, ok := c.beats[id]; ok {
		stop()
		delete(c.beats, id)
	}
	c.mutex.Unlock()
	return c.client.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
}

func (c *consul) Services(ctx context.Context, name string) ([]*registry.ServiceInstance, error) {
	list, _, err := c.read(ctx, name, 0)
	return list, err
}

func (c *consul) Watch(_ context.Context, name string) (registry.Watcher, error) {
	var index uint64
	return newWatch(name, c.out, func(ctx context.Context) ([]*registry.ServiceInstance, error) {
		for {
			list, next, err := c.read(ctx, name, index)
			if err != nil || next != index {
				index = next
				return list, err
			}
		}
	}), nil
}

func (c *consul) read(ctx context.Context, name string, index uint64) ([]*registry.ServiceInstance, uint64, error) {
	options := (&api.QueryOptions{WaitIndex: index, WaitTime: longPoll}).WithContext(ctx)
	entries, meta, err := c.client.Health().Service(name, "", true, options)
	if err != nil {
		return nil, 0, err
	}
	list := make([]*registry.ServiceInstance, 0, len(entries))
	for _, entry := range entries {
		instance, err := fromConsul(entry.Service)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, instance)
	}
	return list, meta.LastIndex, nil
}

func toConsul(instance *registry.ServiceInstance) (*api.AgentServiceRegistration, error) {
	endpoint, err := url.Parse(instance.Endpoint)
	if err != nil {
		return nil, err
	}
	host, text, err := net.SplitHostPort(endpoint.Host)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	meta := map[string]string{
		"id": instance.ID, "kind": instance.Kind, "alias": instance.Alias, "state": instance.State,
		"endpoint": instance.Endpoint,
	}
	if instance.Weight > 0 {
		meta["weight"] = strconv.Itoa(instance.Weight)
	}
	if err := putJSON(meta, "events", instance.Events); err != nil {
		return nil, err
	}
	if err := putJSON(meta, "services", instance.Services); err != nil {
		return nil, err
	}
	for i, value := range packRoutes(instance.Routes) {
		meta[fmt.Sprintf("routes-%d", i)] = value
	}
	for key, value := range instance.Metadata {
		meta["_"+key] = value
	}
	id := instance.Kind + "-" + instance.ID
	return &api.AgentServiceRegistration{
		ID: id, Name: instance.Name, Address: host, Port: port, Meta: meta,
		TaggedAddresses: map[string]api.ServiceAddress{endpoint.Scheme: {Address: host, Port: port}},
		Checks: api.AgentServiceChecks{
			{TCP: endpoint.Host, Interval: tcpInterval, Timeout: tcpTimeout, DeregisterCriticalServiceAfter: deregister},
			{CheckID: "service:" + id, TTL: ttl.String(), DeregisterCriticalServiceAfter: deregister},
		},
	}, nil
}

func fromConsul(service *api.AgentService) (*registry.ServiceInstance, error) {
	meta := service.Meta
	instance := &registry.ServiceInstance{
		ID: meta["id"], Name: service.Service, Kind: meta["kind"], Alias: meta["alias"], State: meta["state"],
		Endpoint: meta["endpoint"],
	}
	var err error
	if text, ok := meta["weight"]; ok {
		if instance.Weight, err = strconv.Atoi(text); err != nil {
			return nil, err
		}
	}
	if err := getJSON(meta, "events", &instance.Events); err != nil {
		return nil, err
	}
	if err := getJSON(meta, "services", &instance.Services); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		value, ok := meta[fmt.Sprintf("routes-%d", i)]
		if !ok {
			break
		}
		routes, err := unpackRoutes(value)
		if err != nil {
			return nil, err
		}
		instance.Routes = append(instance.Routes, routes...)
	}
	for key, value := range meta {
		if name, ok := strings.CutPrefix(key, "_"); ok {
			if instance.Metadata == nil {
				instance.Metadata = map[string]string{}
			}
			instance.Metadata[name] = value
		}
	}
	return instance, nil
}

func putJSON[T any](meta map[string]string, key string, list []T) error {
	if len(list) == 0 {
		return nil
	}
	data, err := json.Marshal(list)
	meta[key] = string(data)
	return err
}

func getJSON[T any](meta map[string]string, key string, list *[]T) error {
	if text, ok := meta[key]; ok {
		return json.Unmarshal([]byte(text), list)
	}
	return nil
}

// Route and flags, `2-5`, in as few values as they fit into.
func packRoutes(routes []registry.Route) (values []string) {
	for _, route := range routes {
		flags := 0
		for bit, set := range []bool{route.Internal, route.Stateful, route.Authorized} {
			if set {
				flags |= 1 << bit
			}
		}
		item := fmt.Sprintf("%d-%d", route.ID, flags)
		if n := len(values); n > 0 && len(values[n-1])+1+len(item) <= routesSize {
			values[n-1] += "," + item
		} else {
			values = append(values, item)
		}
	}
	return values
}

func unpackRoutes(value string) (routes []registry.Route, err error) {
	for item := range strings.SplitSeq(value, ",") {
		var route registry.Route
		var flags int
		if _, err := fmt.Sscanf(item, "%d-%d", &route.ID, &flags); err != nil {
			return nil, fmt.Errorf("route %q: %w", item, err)
		}
		route.Internal, route.Stateful, route.Authorized = flags&1 != 0, flags&2 != 0, flags&4 != 0
		routes = append(routes, route)
	}
	return routes, nil
}
