package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dobyte/due/v2/core/value"
	"github.com/dobyte/due/v2/eventbus"
	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/utils/xconv"
	"github.com/dobyte/due/v2/utils/xuuid"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

const busPrefix = "due:eventbus:"

// An event as the other processes see it.
type envelope struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Payload   string `json:"payload"`
	Timestamp int64  `json:"timestamp"`
}

// Carries envelopes between processes.
type carrier interface {
	publish(ctx context.Context, subject string, data []byte) error
	// Calls what is given for every message, once it returns.
	subscribe(ctx context.Context, subject string, hear func(data []byte)) error
	Close() error
}

type bus struct{ carrier carrier }

func newBus(cfg *config) (eventbus.Eventbus, error) {
	switch cfg.Bus {
	case "redis":
		client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{cfg.Redis}})
		return &bus{redisCarrier{client}}, nil
	case "nats":
		conn, err := nats.Connect(cfg.Nats)
		return &bus{natsCarrier{conn}}, err
	}
	return nil, fmt.Errorf("no event bus is named %q", cfg.Bus)
}

func (b *bus) Close() error { return b.carrier.Close() }

func (b *bus) Publish(ctx context.Context, topic string, message any) error {
	data, err := json.Marshal(envelope{
		ID: xuuid.UUID(), Topic: topic, Payload: xconv.String(message), Timestamp: time.Now().UnixNano(),
	})
	if err != nil {
		return err
	}
	return b.carrier.publish(ctx, busPrefix+topic, data)
}

func (b *bus) Subscribe(ctx context.Context, topic string, handler eventbus.EventHandler) error {
	return b.carrier.subscribe(ctx, busPrefix+topic, func(data []byte) {
		var event envelope
		if err := json.Unmarshal(data, &event); err != nil {
			log.Errorf("event of %s: %v", topic, err)
			return
		}
		handler(&eventbus.Event{
			ID: event.ID, Topic: event.Topic, Payload: value.NewValue(event.Payload),
			Timestamp: time.Unix(0, event.Timestamp),
		})
	})
}

func (b *bus) Unsubscribe(context.Context, string, eventbus.EventHandler) error {
	return fmt.Errorf("no test unsubscribes")
}

type redisCarrier struct{ redis.UniversalClient }

func (c redisCarrier) publish(ctx context.Context, subject string, data []byte) error {
	return c.Publish(ctx, subject, data).Err()
}

func (c redisCarrier) subscribe(ctx context.Context, subject string, hear func([]byte)) error {
	feed := c.Subscribe(ctx, subject)
	if _, err := feed.Receive(ctx); err != nil {
		return err
	}
	go func() {
		for message := range feed.Channel() {
			hear([]byte(message.Payload))
		}
	}()
	return nil
}

type natsCarrier struct{ *nats.Conn }

func (c natsCarrier) publish(_ context.Context, subject string, data []byte) error {
	return c.Publish(subject, data)
}

func (c natsCarrier) subscribe(_ context.Context, subject string, hear func([]byte)) error {
	if _, err := c.Subscribe(subject, func(message *nats.Msg) { hear(message.Data) }); err != nil {
		return err
	}
	return c.Flush()
}

func (c natsCarrier) Close() error { return c.Drain() }
