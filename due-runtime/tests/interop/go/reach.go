package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/registry"
	"github.com/dobyte/due/v2/session"
	"github.com/dobyte/due/v2/transport"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What the proxies of nodes and meshes have in common.
type proxy interface {
	FetchGateList(ctx context.Context, states ...cluster.State) ([]*registry.ServiceInstance, error)
	FetchNodeList(ctx context.Context, states ...cluster.State) ([]*registry.ServiceInstance, error)
	BindGate(ctx context.Context, gid string, cid, uid int64) error
	UnbindGate(ctx context.Context, uid int64) error
	LocateGate(ctx context.Context, uid int64) (string, error)
	LocateNode(ctx context.Context, uid int64, name string) (string, error)
	GetIP(ctx context.Context, args *cluster.GetIPArgs) (string, error)
	Stat(ctx context.Context, kind session.Kind) (int64, error)
	IsOnline(ctx context.Context, args *cluster.IsOnlineArgs) (bool, error)
	Disconnect(ctx context.Context, args *cluster.DisconnectArgs) error
	Push(ctx context.Context, args *cluster.PushArgs) error
	Multicast(ctx context.Context, args *cluster.MulticastArgs) (int64, error)
	Broadcast(ctx context.Context, args *cluster.BroadcastArgs) (int64, error)
	Publish(ctx context.Context, args *cluster.PublishArgs) (int64, error)
	Subscribe(ctx context.Context, args *cluster.SubscribeArgs) error
	Unsubscribe(ctx context.Context, args *cluster.UnsubscribeArgs) error
	Deliver(ctx context.Context, args *cluster.DeliverArgs) error
}

// Everything that a node or a mesh can be told to do to the cluster.
func (p *peer) reach(proxy proxy, newMeshClient transport.NewMeshClient) map[string]func(command) (any, error) {
	ctx := context.Background()
	message := func(c command) *cluster.Message {
		if c.Letter != nil {
			return &cluster.Message{Route: c.Route, Seq: c.Seq, Data: c.Letter.forCodec(p.cfg.Codec)}
		}
		return &cluster.Message{Route: c.Route, Seq: c.Seq, Data: c.Body}
	}
	targets := func(c command) []int64 {
		if c.UIDs != nil {
			return c.UIDs
		}
		return []int64{c.target()}
	}
	return map[string]func(command) (any, error){
		"gates":       func(command) (any, error) { return proxy.FetchGateList(ctx) },
		"nodes":       func(command) (any, error) { return proxy.FetchNodeList(ctx) },
		"bind":        func(c command) (any, error) { return nil, proxy.BindGate(ctx, c.GID, c.CID, c.UID) },
		"unbind":      func(c command) (any, error) { return nil, proxy.UnbindGate(ctx, c.UID) },
		"locate-gate": func(c command) (any, error) { return proxy.LocateGate(ctx, c.UID) },
		"locate-node": func(c command) (any, error) { return proxy.LocateNode(ctx, c.UID, c.Name) },
		"stat":        func(c command) (any, error) { return proxy.Stat(ctx, session.Kind(c.Kind)) },
		"ip": func(c command) (any, error) {
			return proxy.GetIP(ctx, &cluster.GetIPArgs{GID: c.GID, Kind: c.kind(), Target: c.target()})
		},
		"is-online": func(c command) (any, error) {
			return proxy.IsOnline(ctx, &cluster.IsOnlineArgs{GID: c.GID, Kind: c.kind(), Target: c.target()})
		},
		"disconnect": func(c command) (any, error) {
			args := &cluster.DisconnectArgs{GID: c.GID, Kind: c.kind(), Target: c.target(), Force: c.Force}
			return nil, proxy.Disconnect(ctx, args)
		},
		"push": func(c command) (any, error) {
			return nil, proxy.Push(ctx, &cluster.PushArgs{
				GID: c.GID, Kind: c.kind(), Target: c.target(), Message: message(c), Ack: c.Ack, Disconnect: c.Disconnect,
			})
		},
		"multicast": func(c command) (any, error) {
			return proxy.Multicast(ctx, &cluster.MulticastArgs{
				GID: c.GID, Kind: c.kind(), Targets: targets(c), Message: message(c), Ack: c.Ack, Disconnect: c.Disconnect,
			})
		},
		"broadcast": func(c command) (any, error) {
			return proxy.Broadcast(ctx, &cluster.BroadcastArgs{
				Kind: session.Kind(c.Kind), Message: message(c), Ack: c.Ack, Disconnect: c.Disconnect,
			})
		},
		"broadcasts": func(c command) (any, error) { // one right after another; the first eight bytes count on
			first := binary.BigEndian.Uint64(c.Body)
			for number := range uint64(c.Count) {
				body := binary.BigEndian.AppendUint64(nil, first+number)
				_, err := proxy.Broadcast(ctx, &cluster.BroadcastArgs{
					Kind: session.Kind(c.Kind), Message: &cluster.Message{Route: c.Route, Data: append(body, c.Body[8:]...)},
				})
				if err != nil {
					return nil, err
				}
			}
			return nil, nil
		},
		"publish": func(c command) (any, error) {
			return proxy.Publish(ctx, &cluster.PublishArgs{
				Channel: c.Channel, Message: message(c), Ack: c.Ack, Disconnect: c.Disconnect,
			})
		},
		"subscribe": func(c command) (any, error) {
			args := &cluster.SubscribeArgs{GID: c.GID, Kind: c.kind(), Targets: targets(c), Channel: c.Channel}
			return nil, proxy.Subscribe(ctx, args)
		},
		"unsubscribe": func(c command) (any, error) {
			args := &cluster.UnsubscribeArgs{GID: c.GID, Kind: c.kind(), Targets: targets(c), Channel: c.Channel}
			return nil, proxy.Unsubscribe(ctx, args)
		},
		"deliver": func(c command) (any, error) {
			return nil, proxy.Deliver(ctx, &cluster.DeliverArgs{NID: c.NID, UID: c.UID, Message: message(c)})
		},
		"state": func(c command) (any, error) {
			field, id := linker(c)
			results, err := hidden(proxy, field, "GetState", ctx, id)
			if err != nil {
				return nil, err
			}
			return results[0].Int(), nil
		},
		"set-state": func(c command) (any, error) {
			field, id := linker(c)
			_, err := hidden(proxy, field, "SetState", ctx, id, cluster.State(c.State))
			return nil, err
		},
		"call": func(c command) (any, error) {
			client, err := newMeshClient(c.Target)
			if err != nil {
				return nil, err
			}
			if p.cfg.Transporter == "rpcx" {
				return callWallet(client, c.UID, string(c.Body))
			}
			reply := &wrapperspb.StringValue{}
			err = client.Call(ctx, postOffice.ServiceName, "Send", wrapperspb.String(string(c.Body)), reply)
			return reply.Value, err
		},
	}
}

// A command with a cid is about a connection, any other about a user.
func (c command) kind() session.Kind {
	if c.CID != 0 {
		return session.Conn
	}
	return session.User
}

func (c command) target() int64 {
	if c.CID != 0 {
		return c.CID
	}
	return c.UID
}

func linker(c command) (field, id string) {
	if c.NID != "" {
		return "nodeLinker", c.NID
	}
	return "gateLinker", c.GID
}

// Calls what a proxy has inside and does not show: due asks others for their state, and sets it, nowhere else.
func hidden(proxy any, field, method string, args ...any) ([]reflect.Value, error) {
	inner := reflect.ValueOf(proxy).Elem().FieldByName(field)
	inner = reflect.NewAt(inner.Type(), unsafe.Pointer(inner.UnsafeAddr())).Elem()
	values := make([]reflect.Value, len(args))
	for i, arg := range args {
		values[i] = reflect.ValueOf(arg)
	}
	function := inner.MethodByName(method)
	if !function.IsValid() {
		return nil, fmt.Errorf("%s has no %s", field, method)
	}
	results := function.Call(values)
	err, _ := results[len(results)-1].Interface().(error)
	return results, err
}
