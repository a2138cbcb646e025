package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/dobyte/due/v2/core/endpoint"
	"github.com/dobyte/due/v2/registry"
	"github.com/dobyte/due/v2/transport"
	rpcxclient "github.com/smallnest/rpcx/client"
	"github.com/smallnest/rpcx/protocol"
	rpcxserver "github.com/smallnest/rpcx/server"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Connections of a client to its target.
const rpcxPool = 10

// Mesh services over rpcx: its own library on both sides, in the settings that due chooses.
type rpcxTransporter struct{ discovery registry.Discovery }

func (t *rpcxTransporter) Name() string                                     { return "rpcx" }
func (t *rpcxTransporter) SetDefaultDiscovery(discovery registry.Discovery) { t.discovery = discovery }

func (t *rpcxTransporter) NewServer() (transport.Server, error) {
	l, err := net.Listen("tcp", loopback)
	return &rpcxServer{listener: l, server: rpcxserver.NewServer()}, err
}

type rpcxServer struct {
	listener net.Listener
	server   *rpcxserver.Server
}

func (s *rpcxServer) Start() error   { return s.server.ServeListener("tcp", s.listener) }
func (s *rpcxServer) Addr() string   { return s.listener.Addr().String() }
func (s *rpcxServer) Scheme() string { return "rpcx" }
func (s *rpcxServer) Stop() error    { return s.server.Close() }

func (s *rpcxServer) Endpoint() *endpoint.Endpoint {
	return endpoint.NewEndpoint("rpcx", s.Addr(), false)
}

func (s *rpcxServer) RegisterService(desc, service any) error {
	path, ok := desc.(string)
	if !ok {
		return fmt.Errorf("a service of rpcx is described by its path, not by a %T", desc)
	}
	return s.server.RegisterName(path, service, "")
}

// `direct://` names an address or an instance, `discovery://` a service.
func (t *rpcxTransporter) NewClient(target string) (transport.Client, error) {
	scheme, name, ok := strings.Cut(target, "://")
	if !ok || scheme != "direct" && scheme != "discovery" {
		return nil, fmt.Errorf("target %q is neither direct:// nor discovery://", target)
	}
	option := rpcxclient.DefaultOption
	option.SerializeType, option.CompressType = protocol.MsgPack, protocol.Gzip
	open := func(servers rpcxclient.ServiceDiscovery) (transport.Client, error) {
		pool := rpcxclient.NewOneClientPool(rpcxPool, rpcxclient.Failtry, rpcxclient.RoundRobin, servers, option)
		return &rpcxClient{pool}, nil
	}
	if _, _, err := net.SplitHostPort(name); err == nil && scheme == "direct" {
		server, err := rpcxclient.NewPeer2PeerDiscovery("tcp@"+name, "")
		if err != nil {
			return nil, err
		}
		return open(server)
	}
	fits := func(instance *registry.ServiceInstance) bool { return instance.ID == name }
	if scheme == "discovery" {
		fits = func(instance *registry.ServiceInstance) bool { return slices.Contains(instance.Services, name) }
	}
	instances, err := t.discovery.Services(context.Background(), "mesh")
	if err != nil {
		return nil, err
	}
	var servers []*rpcxclient.KVPair
	for _, instance := range instances {
		e, err := endpoint.ParseEndpoint(instance.Endpoint)
		if err != nil {
			return nil, err
		}
		if fits(instance) {
			servers = append(servers, &rpcxclient.KVPair{Key: "tcp@" + e.Address()})
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("nobody serves %q", target)
	}
	list, err := rpcxclient.NewMultipleServersDiscovery(servers)
	if err != nil {
		return nil, err
	}
	return open(list)
}

type rpcxClient struct{ pool *rpcxclient.OneClientPool }

func (c *rpcxClient) Client() any { return c.pool }

func (c *rpcxClient) Call(ctx context.Context, service, method string, args, reply any, _ ...any) error {
	return c.pool.Get().Call(ctx, service, method, args, reply)
}

// The rpcx service of the tests, at the path `Wallet`.
type wallet struct{ by string }

// What nobody has written a schema for; rpcx takes exported types alone.
type IncrGold struct {
	UID  int64
	Note string
}

type Gold struct {
	By   string
	Note string
}

// Answers with who answers, and what it was sent.
func (w *wallet) IncrGold(_ context.Context, args *IncrGold, reply *Gold) error {
	if args.UID <= 0 {
		return errors.New("no such user")
	}
	reply.By, reply.Note = w.by, args.Note
	return nil
}

// A message of protoc-gen-go, as it is in MessagePack and in protobuf.
func (w *wallet) Tomorrow(_ context.Context, args, reply *timestamppb.Timestamp) error {
	reply.Seconds, reply.Nanos = args.Seconds+24*60*60, args.Nanos
	return nil
}

// Waits until the client has given up.
func (w *wallet) Sleep(ctx context.Context, _ *IncrGold, _ *Gold) error {
	<-ctx.Done()
	return ctx.Err()
}

// Calls IncrGold, and tells who answered.
func callWallet(client transport.Client, uid int64, note string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	reply := &Gold{}
	if err := client.Call(ctx, "Wallet", "IncrGold", &IncrGold{UID: uid, Note: note}, reply); err != nil {
		return nil, err
	}
	if reply.Note != note {
		return nil, fmt.Errorf("%d bytes came back for %d", len(reply.Note), len(note))
	}
	day := &timestamppb.Timestamp{}
	if err := client.Call(ctx, "Wallet", "Tomorrow", &timestamppb.Timestamp{Seconds: 1, Nanos: 2}, day); err != nil {
		return nil, err
	}
	if day.Seconds != 86401 || day.Nanos != 2 {
		return nil, fmt.Errorf("tomorrow is %v", day)
	}
	return reply.By, nil
}
