package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/node"
	"github.com/dobyte/due/v2/encoding"
	"github.com/dobyte/due/v2/eventbus"
	"github.com/dobyte/due/v2/session"
)

// The route of pushes.
const pushes = 50

// A route of a node, and what the node does with its requests.
type route struct {
	ID         int32  `json:"id"`
	Do         string `json:"do"` // see [peer.answer]
	Internal   bool   `json:"internal"`
	Stateful   bool   `json:"stateful"`
	Authorized bool   `json:"authorized"`
}

func (p *peer) newNode() (*node.Node, error) {
	registry, err := newRegistry(p.cfg, p.out)
	if err != nil {
		return nil, err
	}
	options := []node.Option{
		node.WithID(p.cfg.ID), node.WithName(p.cfg.Name), node.WithCodec(encoding.Invoke(p.cfg.Codec)),
		node.WithAddr(loopback), node.WithLocator(newLocator(p.cfg.Redis, p.out)), node.WithRegistry(registry),
		node.WithTransporter(p.transporter()),
	}
	if p.cfg.Encryptor != nil {
		encryptor, err := newEncryptor(p.cfg.Encryptor)
		if err != nil {
			return nil, err
		}
		options = append(options, node.WithEncryptor(encryptor))
	}
	n := node.NewNode(options...)
	proxy := n.Proxy()
	for _, r := range p.cfg.Routes {
		options := node.RouteOptions{Internal: r.Internal, Stateful: r.Stateful, Authorized: r.Authorized}
		proxy.AddRouteHandler(r.ID, func(ctx node.Context) { p.handle(r.Do, ctx) }, options)
	}
	// What other nodes answer comes back on the route of the question.
	proxy.SetDefaultRouteHandler(func(ctx node.Context) { p.handle("note", ctx) })
	for _, name := range p.cfg.Events {
		event, ok := events[name]
		if !ok {
			return nil, fmt.Errorf("no event is named %q", name)
		}
		proxy.AddEventHandler(event, func(ctx node.Context) {
			p.out.say(map[string]any{"say": name, "gid": ctx.GID(), "cid": ctx.CID(), "uid": ctx.UID()})
		})
	}
	for _, service := range p.cfg.Services {
		p.serve(proxy.AddServiceProvider, service)
	}
	p.do = p.reach(proxy, proxy.NewMeshClient)
	p.do["bind-node"] = func(c command) (any, error) {
		return nil, proxy.BindNode(context.Background(), c.UID, c.Name, c.NID)
	}
	p.do["unbind-node"] = func(c command) (any, error) {
		return nil, proxy.UnbindNode(context.Background(), c.UID, c.Name, c.NID)
	}
	if p.cfg.Bus != "" {
		if err := p.joinBus(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

var events = map[string]cluster.Event{
	"connect": cluster.Connect, "reconnect": cluster.Reconnect, "disconnect": cluster.Disconnect,
}

func (p *peer) handle(do string, ctx node.Context) {
	if do == "letter" {
		p.handleLetter(ctx)
		return
	}
	body := []byte{} // an empty one is not parsed
	if err := ctx.Parse(&body); err != nil {
		p.out.say(map[string]any{"say": "failed", "error": err.Error()})
		return
	}
	p.out.tell(func() map[string]any {
		return map[string]any{
			"say": "request", "route": ctx.Route(), "seq": ctx.Seq(), "gid": ctx.GID(), "nid": ctx.NID(), "cid": ctx.CID(),
			"uid": ctx.UID(), "body": body,
		}
	})
	answer, err := p.answer(do, ctx, body)
	if err == nil && answer != nil {
		err = ctx.Response(answer)
	}
	if err != nil {
		p.out.say(map[string]any{"say": "failed", "error": err.Error()})
	}
}

// What a request is answered with; nil: with nothing.
func (p *peer) answer(do string, ctx node.Context, body []byte) ([]byte, error) {
	switch do {
	case "note":
		return nil, nil
	case "echo":
		return append([]byte{}, body...), nil
	case "json": // as due's own benchmark has it: a message is parsed, and written anew
		message := struct {
			Message string `json:"message"`
		}{}
		codec := encoding.Invoke("json")
		if err := codec.Unmarshal(body, &message); err != nil {
			return nil, err
		}
		return codec.Marshal(message)
	case "bind": // the body is a uid, and so is the answer
		uid, err := strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
		if err != nil {
			return nil, err
		}
		return append([]byte{}, body...), ctx.BindGate(uid)
	case "who":
		return []byte(p.cfg.ID), nil
	case "login": // the body is the uid
		uid, err := strconv.ParseInt(string(body), 10, 64)
		if err != nil {
			return nil, err
		}
		if err := ctx.BindGate(uid); err != nil {
			return nil, err
		}
		return []byte(p.cfg.ID), ctx.BindNode()
	case "logout":
		if err := ctx.UnbindNode(); err != nil {
			return nil, err
		}
		return []byte(p.cfg.ID), ctx.UnbindGate()
	case "leave":
		return []byte(p.cfg.ID), ctx.UnbindNode()
	case "join": // the body is a channel
		return []byte(p.cfg.ID), ctx.Subscribe(string(body))
	case "part":
		return []byte(p.cfg.ID), ctx.Unsubscribe(string(body))
	case "ponder": // answers after a moment
		time.Sleep(time.Millisecond)
		return body, nil
	case "flood": // the body is how many numbers to push before the answer
		count, err := strconv.ParseUint(string(body), 10, 32)
		if err != nil {
			return nil, err
		}
		for number := range uint32(count) {
			err := ctx.Proxy().Push(ctx.Context(), &cluster.PushArgs{
				GID: ctx.GID(), Kind: session.Conn, Target: ctx.CID(),
				Message: &cluster.Message{Route: pushes, Data: binary.BigEndian.AppendUint32(make([]byte, 0, 1024), number)[:1024]},
			})
			if err != nil {
				return nil, err
			}
		}
		return []byte(p.cfg.ID), nil
	case "kick":
		return nil, ctx.Disconnect()
	case "ip":
		ip, err := ctx.GetIP()
		return []byte(ip), err
	}
	return nil, fmt.Errorf("a route cannot do %q", do)
}

// Reads a letter with the codec, and sends it back with the next number.
func (p *peer) handleLetter(ctx node.Context) {
	l, err := readLetter(p.cfg.Codec, ctx.Parse)
	if err != nil {
		p.out.say(map[string]any{"say": "failed", "error": err.Error()})
		return
	}
	p.out.say(map[string]any{"say": "letter", "letter": l, "seq": ctx.Seq()})
	l.Number++
	if err := ctx.Response(l.forCodec(p.cfg.Codec)); err != nil {
		p.out.say(map[string]any{"say": "failed", "error": err.Error()})
	}
}

func (p *peer) joinBus() error {
	events, err := newBus(p.cfg)
	if err != nil {
		return err
	}
	eventbus.SetEventbus(events)
	p.do["publish-event"] = func(c command) (any, error) {
		var payload any
		if err := strict(c.Payload, &payload); err != nil {
			return nil, err
		}
		return nil, eventbus.Publish(context.Background(), c.Topic, payload)
	}
	p.do["subscribe-event"] = func(c command) (any, error) {
		return nil, eventbus.Subscribe(context.Background(), c.Topic, func(event *eventbus.Event) {
			p.out.say(map[string]any{
				"say": "event", "topic": event.Topic, "id": event.ID, "payload": event.Payload.String(),
				"timestamp": event.Timestamp.UnixNano(),
			})
		})
	}
	return nil
}
