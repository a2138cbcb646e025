package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/client"
	"github.com/dobyte/due/v2/cluster/gate"
	"github.com/dobyte/due/v2/cluster/mesh"
	"github.com/dobyte/due/v2/component"
	"github.com/dobyte/due/v2/encoding"
	"github.com/dobyte/due/v2/transport"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func newPeer(cfg *config, out *output) (*peer, error) {
	if cfg.Codec == "" {
		cfg.Codec = "raw"
	}
	if cfg.HeartbeatMS == 0 {
		cfg.HeartbeatMS = 10_000
	}
	if cfg.Transporter != "" && cfg.Transporter != "grpc" && cfg.Transporter != "rpcx" {
		return nil, fmt.Errorf("no transporter is named %q", cfg.Transporter)
	}
	out.quiet = cfg.Quiet
	p := &peer{cfg: cfg, out: out, do: map[string]func(command) (any, error){}}
	part, err := p.part()
	p.parts = []component.Component{part}
	return p, err
}

func (p *peer) part() (component.Component, error) {
	switch p.cfg.Role {
	case "gate":
		return p.newGate()
	case "node":
		return p.newNode()
	case "mesh":
		return p.newMesh()
	case "client":
		return p.newClient()
	}
	return nil, fmt.Errorf("no role is named %q", p.cfg.Role)
}

func (p *peer) heartbeat() time.Duration { return time.Duration(p.cfg.HeartbeatMS) * time.Millisecond }

func (p *peer) newGate() (component.Component, error) {
	registry, err := newRegistry(p.cfg, p.out)
	if err != nil {
		return nil, err
	}
	server, err := newServer(p.cfg.Network, p.heartbeat())
	if err != nil {
		return nil, err
	}
	p.addr = p.cfg.Network + "://" + server.Addr()
	options := []gate.Option{
		gate.WithID(p.cfg.ID), gate.WithName(p.cfg.Name), gate.WithAddr(loopback), gate.WithServer(server),
		gate.WithLocator(newLocator(p.cfg.Redis, p.out)), gate.WithRegistry(registry),
	}
	if p.cfg.Dispatch != "" {
		options = append(options, gate.WithDispatch(cluster.Dispatch(p.cfg.Dispatch)))
	}
	return gate.NewGate(options...), nil
}

func (p *peer) newMesh() (component.Component, error) {
	registry, err := newRegistry(p.cfg, p.out)
	if err != nil {
		return nil, err
	}
	options := []mesh.Option{
		mesh.WithID(p.cfg.ID), mesh.WithName(p.cfg.Name), mesh.WithCodec(encoding.Invoke(p.cfg.Codec)),
		mesh.WithLocator(newLocator(p.cfg.Redis, p.out)), mesh.WithRegistry(registry), mesh.WithTransporter(p.transporter()),
	}
	if p.cfg.Encryptor != nil {
		encryptor, err := newEncryptor(p.cfg.Encryptor)
		if err != nil {
			return nil, err
		}
		options = append(options, mesh.WithEncryptor(encryptor))
	}
	m := mesh.NewMesh(options...)
	proxy := m.Proxy()
	for _, service := range p.cfg.Services {
		p.serve(proxy.AddServiceProvider, service)
	}
	p.do = p.reach(proxy, proxy.NewMeshClient)
	return m, nil
}

func (p *peer) transporter() transport.Transporter {
	if p.cfg.Transporter == "rpcx" {
		return &rpcxTransporter{}
	}
	return &transporter{}
}

// The service of the transporter under a discovery name.
func (p *peer) serve(add func(name string, desc, provider any), name string) {
	if p.cfg.Transporter == "rpcx" {
		add(name, "Wallet", &wallet{by: p.cfg.ID})
	} else {
		add(name, &postOffice, &office{by: p.cfg.ID})
	}
}

// Clients that the test has dial, under the numbers it is told.
func (p *peer) newClient() (component.Component, error) {
	options := []client.Option{
		client.WithID(p.cfg.ID), client.WithCodec(encoding.Invoke(p.cfg.Codec)),
		client.WithClient(&dialer{kind: p.cfg.Network, heartbeat: p.heartbeat()}),
	}
	if p.cfg.Encryptor != nil {
		encryptor, err := newEncryptor(p.cfg.Encryptor)
		if err != nil {
			return nil, err
		}
		options = append(options, client.WithEncryptor(encryptor))
	}
	c := client.NewClient(options...)
	var conns sync.Map
	proxy := c.Proxy()
	proxy.SetDefaultRouteHandler(func(ctx *client.Context) {
		line := map[string]any{"say": "message", "conn": ctx.CID(), "route": ctx.Route(), "seq": ctx.Seq(), "body": ctx.Data()}
		if p.cfg.Codec != "raw" {
			l, err := readLetter(p.cfg.Codec, ctx.Parse)
			if err != nil {
				line["error"] = err.Error()
			}
			line["letter"] = l
		}
		p.out.say(line)
	})
	proxy.AddEventListener(cluster.Disconnect, func(conn *client.Conn) {
		p.out.say(map[string]any{"say": "closed", "conn": conn.ID()})
	})
	connected := func(c command) (*client.Conn, error) {
		conn, ok := conns.Load(c.Conn)
		if !ok {
			return nil, fmt.Errorf("no connection has number %d", c.Conn)
		}
		return conn.(*client.Conn), nil
	}
	p.do["dial"] = func(c command) (any, error) {
		conn, err := proxy.Dial(client.WithDialAddr(c.Addr))
		if err != nil {
			return nil, err
		}
		conns.Store(conn.ID(), conn)
		return conn.ID(), nil
	}
	p.do["push"] = func(c command) (any, error) {
		conn, err := connected(c)
		if err != nil {
			return nil, err
		}
		message := &cluster.Message{Route: c.Route, Seq: c.Seq, Data: c.Body}
		if c.Letter != nil {
			message.Data = c.Letter.forCodec(p.cfg.Codec)
		}
		return nil, conn.Push(message)
	}
	p.do["close"] = func(c command) (any, error) {
		conn, err := connected(c)
		if err != nil {
			return nil, err
		}
		return nil, conn.Close()
	}
	p.do["sign"] = func(c command) (any, error) { return sign(c.Signer, c.Body) }
	p.do["verify"] = func(c command) (any, error) { return nil, verify(c.Signer, c.Body, c.Signature) }
	return c, nil
}

// The gRPC service of the tests: answers with who answers, and what it was sent.
type office struct{ by string }

var postOffice = grpc.ServiceDesc{
	ServiceName: "post.v1.Office",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Send",
		Handler: func(office_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			text := &wrapperspb.StringValue{}
			if err := decode(text); err != nil {
				return nil, err
			}
			return wrapperspb.String(office_.(*office).by + " has " + text.Value), nil
		},
	}},
}
