package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dobyte/due/v2/locate"
	"github.com/redis/go-redis/v9"
)

const (
	locatePrefix = "due:locate"
	gateEvents   = locatePrefix + ":locate:cluster:gate:event"
	nodeEvents   = locatePrefix + ":locate:cluster:node:event"
)

// Deletes what is as expected, atomically.
var (
	unbindGate = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then
	redis.call('DEL', KEYS[1])
	return {'OK'}
end
return {'NO'}`)
	unbindNode = redis.NewScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
	redis.call('HDEL', KEYS[1], ARGV[1])
	return {'OK'}
end
return {'NO'}`)
)

// Where users are, in redis.
type locator struct {
	redis redis.UniversalClient
	out   *output
}

func newLocator(addr string, out *output) *locator {
	return &locator{redis: redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{addr}}), out: out}
}

func gateKey(uid int64) string { return fmt.Sprintf("%s:locate:user:%d:gate", locatePrefix, uid) }
func nodeKey(uid int64) string { return fmt.Sprintf("%s:locate:user:%d:node", locatePrefix, uid) }

func (l *locator) Name() string { return "redis" }

func (l *locator) BindGate(ctx context.Context, uid int64, gid string) error {
	if err := l.redis.Set(ctx, gateKey(uid), gid, redis.KeepTTL).Err(); err != nil {
		return err
	}
	return l.tell(ctx, gateEvents, locate.Event{UID: uid, Type: locate.BindGate, InsID: gid, InsKind: "gate"})
}

func (l *locator) BindNode(ctx context.Context, uid int64, name, nid string) error {
	if err := l.redis.HSet(ctx, nodeKey(uid), name, nid).Err(); err != nil {
		return err
	}
	event := locate.Event{UID: uid, Type: locate.BindNode, InsID: nid, InsKind: "node", InsName: name}
	return l.tell(ctx, nodeEvents, event)
}

func (l *locator) UnbindGate(ctx context.Context, uid int64, gid string) error {
	done, err := unbindGate.Run(ctx, l.redis, []string{gateKey(uid)}, gid).StringSlice()
	if err != nil || done[0] != "OK" {
		return err
	}
	return l.tell(ctx, gateEvents, locate.Event{UID: uid, Type: locate.UnbindGate, InsID: gid, InsKind: "gate"})
}

func (l *locator) UnbindNode(ctx context.Context, uid int64, name, nid string) error {
	done, err := unbindNode.Run(ctx, l.redis, []string{nodeKey(uid)}, name, nid).StringSlice()
	if err != nil || done[0] != "OK" {
		return err
	}
	event := locate.Event{UID: uid, Type: locate.UnbindNode, InsID: nid, InsKind: "node", InsName: name}
	return l.tell(ctx, nodeEvents, event)
}

func (l *locator) LocateGate(ctx context.Context, uid int64) (string, error) {
	return missing(l.redis.Get(ctx, gateKey(uid)).Result())
}

func (l *locator) LocateNode(ctx context.Context, uid int64, name string) (string, error) {
	return missing(l.redis.HGet(ctx, nodeKey(uid), name).Result())
}

func (l *locator) LocateNodes(ctx context.Context, uid int64) (map[string]string, error) {
	return l.redis.HGetAll(ctx, nodeKey(uid)).Result()
}

// Where nothing is, due expects an empty string.
func missing(value string, err error) (string, error) {
	if err == redis.Nil {
		return "", nil
	}
	return value, err
}

func (l *locator) tell(ctx context.Context, channel string, event locate.Event) error {
	data, err := json.Marshal(event)
	if err != nil {
		return err
	}
	return l.redis.Publish(ctx, channel, data).Err()
}

func (l *locator) Watch(ctx context.Context, kinds ...string) (locate.Watcher, error) {
	var channels []string
	for _, kind := range kinds {
		switch kind {
		case "gate":
			channels = append(channels, gateEvents)
		case "node":
			channels = append(channels, nodeEvents)
		}
	}
	feed := l.redis.Subscribe(ctx, channels...)
	for range channels {
		if _, err := feed.Receive(ctx); err != nil {
			return nil, err
		}
	}
	life, end := context.WithCancel(context.Background())
	return &locatorWatch{feed: feed, life: life, end: end, out: l.out}, nil
}

type locatorWatch struct {
	feed *redis.PubSub
	life context.Context
	end  context.CancelFunc
	out  *output
	// What the caller has dealt with when it asks again.
	before *locate.Event
}

func (w *locatorWatch) Next() ([]*locate.Event, error) {
	if w.before != nil {
		w.out.tell(func() map[string]any { return map[string]any{"say": "located", "change": w.before} })
		w.before = nil
	}
	for {
		message, err := w.feed.ReceiveMessage(w.life)
		if w.life.Err() != nil {
			return nil, context.Canceled
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // the next call connects again
			continue
		}
		event := &locate.Event{}
		if err := json.Unmarshal([]byte(message.Payload), event); err != nil {
			return nil, err
		}
		w.before = event
		return []*locate.Event{event}, nil
	}
}

func (w *locatorWatch) Stop() error {
	w.end()
	return w.feed.Close()
}
