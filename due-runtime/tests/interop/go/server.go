package main

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/dobyte/due/v2/network"
)

// Accepts connections of one network.
type doors interface {
	addr() net.Addr
	// Hands over each connection until it is closed.
	serve(accept func(pipe))
	Close() error
}

func openDoors(kind string) (doors, error) {
	switch kind {
	case "tcp":
		return openTCP()
	case "ws":
		return openWS()
	case "kcp":
		return openKCP()
	}
	return nil, fmt.Errorf("no network is named %q", kind)
}

// What a gate serves its clients with.
type server struct {
	kind       string
	doors      doors
	heartbeat  time.Duration
	mutex      sync.Mutex
	conns      map[*conn]struct{}
	next       int64
	connect    network.ConnectHandler
	receive    network.ReceiveHandler
	disconnect network.DisconnectHandler
}

func newServer(kind string, heartbeat time.Duration) (*server, error) {
	doors, err := openDoors(kind)
	if err != nil {
		return nil, err
	}
	return &server{kind: kind, doors: doors, heartbeat: heartbeat, conns: map[*conn]struct{}{}}, nil
}

func (s *server) Addr() string                                   { return s.doors.addr().String() }
func (s *server) Protocol() string                               { return s.kind }
func (s *server) OnStart(network.StartHandler)                   {}
func (s *server) OnStop(network.CloseHandler)                    {}
func (s *server) OnConnect(handler network.ConnectHandler)       { s.connect = handler }
func (s *server) OnReceive(handler network.ReceiveHandler)       { s.receive = handler }
func (s *server) OnDisconnect(handler network.DisconnectHandler) { s.disconnect = handler }

func (s *server) Start() error {
	go s.doors.serve(s.accept)
	return nil
}

func (s *server) accept(pipe pipe) {
	c := newConn(pipe, s.heartbeat)
	c.receive, c.lost = s.receive, s.forget
	s.mutex.Lock()
	s.next++
	c.id = s.next
	s.conns[c] = struct{}{}
	s.mutex.Unlock()
	s.connect(c)
	go c.run()
}

func (s *server) forget(c *conn) {
	s.mutex.Lock()
	delete(s.conns, c)
	s.mutex.Unlock()
	s.disconnect(c)
}

func (s *server) Stop() error {
	err := s.doors.Close()
	s.mutex.Lock()
	var wait sync.WaitGroup
	for c := range s.conns {
		wait.Go(func() { _ = c.Close() }) // one that is closed already is what we want
	}
	s.mutex.Unlock()
	wait.Wait()
	return err
}

func newConn(pipe pipe, heartbeat time.Duration) *conn {
	c := &conn{pipe: pipe, heartbeat: heartbeat, queue: make(chan []byte, writeQueue), gone: make(chan struct{})}
	c.state.Store(int32(network.ConnOpened))
	return c
}

// What a client dials with.
type dialer struct {
	kind       string
	heartbeat  time.Duration
	mutex      sync.Mutex
	next       int64
	receive    network.ReceiveHandler
	disconnect network.DisconnectHandler
}

func (d *dialer) Protocol() string                               { return d.kind }
func (d *dialer) OnConnect(network.ConnectHandler)               {}
func (d *dialer) OnReceive(handler network.ReceiveHandler)       { d.receive = handler }
func (d *dialer) OnDisconnect(handler network.DisconnectHandler) { d.disconnect = handler }

func (d *dialer) Dial(addr ...string) (network.Conn, error) {
	pipe, err := dial(d.kind, addr[0])
	if err != nil {
		return nil, err
	}
	c := newConn(pipe, d.heartbeat)
	c.isClient, c.receive = true, d.receive
	c.lost = func(c *conn) { d.disconnect(c) }
	d.mutex.Lock()
	d.next++
	c.id = d.next
	d.mutex.Unlock()
	go c.run()
	return c, nil
}

func dial(kind, addr string) (pipe, error) {
	switch kind {
	case "tcp":
		return dialTCP(addr)
	case "ws":
		return dialWS(addr)
	case "kcp":
		return dialKCP(addr)
	}
	return nil, fmt.Errorf("no network is named %q", kind)
}
