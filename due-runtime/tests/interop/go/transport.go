package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/dobyte/due/v2/core/endpoint"
	"github.com/dobyte/due/v2/registry"
	"github.com/dobyte/due/v2/transport"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// Mesh services over gRPC.
type transporter struct{ discovery registry.Discovery }

func (t *transporter) Name() string                                     { return "grpc" }
func (t *transporter) SetDefaultDiscovery(discovery registry.Discovery) { t.discovery = discovery }

func (t *transporter) NewServer() (transport.Server, error) {
	l, err := net.Listen("tcp", loopback)
	return &grpcServer{listener: l, server: grpc.NewServer()}, err
}

type grpcServer struct {
	listener net.Listener
	server   *grpc.Server
}

func (s *grpcServer) Start() error   { return s.server.Serve(s.listener) }
func (s *grpcServer) Addr() string   { return s.listener.Addr().String() }
func (s *grpcServer) Scheme() string { return "grpc" }

func (s *grpcServer) Stop() error {
	s.server.GracefulStop()
	return nil
}

func (s *grpcServer) Endpoint() *endpoint.Endpoint {
	return endpoint.NewEndpoint("grpc", s.Addr(), false)
}

func (s *grpcServer) RegisterService(desc, service any) error {
	d, ok := desc.(*grpc.ServiceDesc)
	if !ok {
		return fmt.Errorf("a gRPC service is described by a *grpc.ServiceDesc, not by a %T", desc)
	}
	s.server.RegisterService(d, service)
	return nil
}

// `direct://` names an address or an instance, `discovery://` a service.
func (t *transporter) NewClient(target string) (transport.Client, error) {
	scheme, name, ok := strings.Cut(target, "://")
	if !ok || scheme != "direct" && scheme != "discovery" {
		return nil, fmt.Errorf("target %q is neither direct:// nor discovery://", target)
	}
	if _, _, err := net.SplitHostPort(name); err == nil && scheme == "direct" {
		return newGRPCClient("passthrough:///" + name)
	}
	fits := func(instance *registry.ServiceInstance) bool { return instance.ID == name }
	if scheme == "discovery" {
		fits = func(instance *registry.ServiceInstance) bool { return slices.Contains(instance.Services, name) }
	}
	watcher, err := t.discovery.Watch(context.Background(), "mesh")
	if err != nil {
		return nil, err
	}
	addresses := manual.NewBuilderWithScheme("due")
	client, err := newGRPCClient(addresses.Scheme()+":///"+name, grpc.WithResolvers(addresses))
	if err != nil {
		return nil, err
	}
	first, err := next(watcher, fits)
	if err != nil {
		return nil, err
	}
	addresses.InitialState(first)
	go func() {
		for {
			state, err := next(watcher, fits)
			if err != nil {
				return
			}
			addresses.UpdateState(state)
		}
	}()
	return client, nil
}

func next(watcher registry.Watcher, fits func(*registry.ServiceInstance) bool) (state resolver.State, err error) {
	list, err := watcher.Next()
	if err != nil {
		return state, err
	}
	for _, instance := range list {
		if !fits(instance) {
			continue
		}
		e, err := endpoint.ParseEndpoint(instance.Endpoint)
		if err != nil {
			return state, err
		}
		state.Addresses = append(state.Addresses, resolver.Address{Addr: e.Address()})
	}
	return state, nil
}

type grpcClient struct{ conn *grpc.ClientConn }

func newGRPCClient(target string, options ...grpc.DialOption) (*grpcClient, error) {
	options = append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
	)
	conn, err := grpc.NewClient(target, options...)
	return &grpcClient{conn}, err
}

func (c *grpcClient) Client() any { return c.conn }

func (c *grpcClient) Call(ctx context.Context, service, method string, args, reply any, opts ...any) error {
	var options []grpc.CallOption
	for _, opt := range opts {
		option, ok := opt.(grpc.CallOption)
		if !ok {
			return fmt.Errorf("%T is no grpc.CallOption", opt)
		}
		options = append(options, option)
	}
	return c.conn.Invoke(ctx, "/"+service+"/"+method, args, reply, options...)
}
