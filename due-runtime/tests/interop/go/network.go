package main

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dobyte/due/v2/errors"
	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/network"
	"github.com/dobyte/due/v2/packet"
)

// Packets a connection may have waiting to be written.
const writeQueue = 1024

// Carries packets, each whole and with its size field.
type pipe interface {
	io.Closer
	// The next packet; nil is one without content.
	read() ([]byte, error)
	write(packet []byte) error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// Packets over a byte stream.
type stream struct {
	net.Conn
	reader *bufio.Reader
}

func newStream(conn net.Conn) *stream { return &stream{Conn: conn, reader: bufio.NewReader(conn)} }

func (s *stream) read() ([]byte, error) { return packet.ReadMessage(s.reader) }

func (s *stream) write(data []byte) error {
	_, err := s.Write(data)
	return err
}

// A connection of a gate or a client.
type conn struct {
	pipe      pipe
	id        int64
	uid       atomic.Int64
	state     atomic.Int32
	attrs     attrs
	queue     chan []byte // nil: close behind what came before
	gone      chan struct{}
	heard     atomic.Int64 // when, in Unix ns
	heartbeat time.Duration
	isClient  bool
	receive   network.ReceiveHandler
	lost      func(*conn)
}

func (c *conn) run() {
	c.heard.Store(time.Now().UnixNano())
	go c.writeAll()
	c.readAll()
	c.state.Store(int32(network.ConnClosed))
	close(c.gone)
	c.shut()
	c.lost(c)
}

func (c *conn) readAll() {
	for {
		data, err := c.pipe.read()
		if err != nil {
			return
		}
		c.heard.Store(time.Now().UnixNano())
		if data == nil || c.State() != network.ConnOpened {
			continue
		}
		beat, err := packet.CheckHeartbeat(data)
		switch {
		case err != nil:
			log.Errorf("packet of connection %d: %v", c.id, err)
		case !beat:
			c.receive(c, data)
		case !c.isClient:
			c.beat()
		}
	}
}

func (c *conn) writeAll() {
	ticks := time.NewTicker(c.heartbeat)
	defer ticks.Stop()
	for {
		select {
		case data := <-c.queue:
			if data == nil {
				c.shut()
				return
			}
			if err := c.pipe.write(data); err != nil {
				c.shut()
				return
			}
		case now := <-ticks.C:
			if c.heard.Load() < now.Add(-2*c.heartbeat).UnixNano() {
				c.shut()
				return
			}
			if c.isClient {
				c.beat()
			}
		case <-c.gone:
			return
		}
	}
}

// Due's own answer to a heartbeat goes before the queue as well.
func (c *conn) beat() {
	data, err := packet.PackHeartbeat()
	if err == nil {
		err = c.pipe.write(data)
	}
	if err != nil {
		log.Warnf("heartbeat of connection %d: %v", c.id, err)
	}
}

func (c *conn) ID() int64                { return c.id }
func (c *conn) UID() int64               { return c.uid.Load() }
func (c *conn) Attr() network.Attr       { return &c.attrs }
func (c *conn) Bind(uid int64)           { c.uid.Store(uid) }
func (c *conn) Unbind()                  { c.uid.Store(0) }
func (c *conn) Send(msg []byte) error    { return c.Push(msg) }
func (c *conn) State() network.ConnState { return network.ConnState(c.state.Load()) }

func (c *conn) Push(msg []byte) error {
	switch c.State() {
	case network.ConnHanged:
		return errors.ErrConnectionHanged
	case network.ConnClosed:
		return errors.ErrConnectionClosed
	}
	select {
	case c.queue <- msg:
		return nil
	case <-c.gone:
		return errors.ErrConnectionClosed
	}
}

// Without force, what is queued is written first, and this waits for it.
func (c *conn) Close(force ...bool) error {
	if len(force) > 0 && force[0] {
		c.state.Store(int32(network.ConnClosed))
		c.shut()
		return nil
	}
	if !c.state.CompareAndSwap(int32(network.ConnOpened), int32(network.ConnHanged)) {
		return errors.ErrConnectionNotOpened
	}
	select {
	case c.queue <- nil:
	case <-c.gone:
	}
	<-c.gone
	return nil
}

// Whoever reads from it learns of it.
func (c *conn) shut() {
	if err := c.pipe.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		log.Warnf("close of connection %d: %v", c.id, err)
	}
}

func (c *conn) LocalAddr() (net.Addr, error)  { return c.pipe.LocalAddr(), nil }
func (c *conn) RemoteAddr() (net.Addr, error) { return c.pipe.RemoteAddr(), nil }
func (c *conn) LocalIP() (string, error)      { return host(c.pipe.LocalAddr()) }
func (c *conn) RemoteIP() (string, error)     { return host(c.pipe.RemoteAddr()) }

func host(addr net.Addr) (string, error) {
	ip, _, err := net.SplitHostPort(addr.String())
	return ip, err
}

type attrs struct{ values sync.Map }

func (a *attrs) Set(key, value any)                    { a.values.Store(key, value) }
func (a *attrs) Get(key any) (any, bool)               { return a.values.Load(key) }
func (a *attrs) Visit(visit func(key, value any) bool) { a.values.Range(visit) }
func (a *attrs) Del(key any) bool {
	_, ok := a.values.LoadAndDelete(key)
	return ok
}
