package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dobyte/due/v2/log"
	"github.com/gorilla/websocket"
	"github.com/xtaci/kcp-go/v5"
)

const (
	loopback    = "127.0.0.1:0"
	dialTimeout = 3 * time.Second
	// What due's clients send over kcp: three parity datagrams for ten of data. Its servers send none.
	fecData, fecParity = 10, 3
)

type listener struct{ net.Listener }

func openTCP() (doors, error) {
	l, err := net.Listen("tcp", loopback)
	return listener{l}, err
}

func openKCP() (doors, error) {
	l, err := kcp.ListenWithOptions(loopback, nil, 0, 0)
	return listener{l}, err
}

func (l listener) addr() net.Addr { return l.Addr() }

func (l listener) serve(accept func(pipe)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		accept(newStream(c))
	}
}

func dialTCP(addr string) (pipe, error) {
	c, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return newStream(c), nil
}

func dialKCP(addr string) (pipe, error) {
	c, err := kcp.DialWithOptions(addr, nil, fecData, fecParity)
	if err != nil {
		return nil, err
	}
	return newStream(c), nil
}

// One packet per binary message.
type socket struct {
	*websocket.Conn
	mutex sync.Mutex
}

func (s *socket) read() ([]byte, error) {
	for {
		kind, data, err := s.ReadMessage()
		if err != nil || kind == websocket.BinaryMessage {
			return data, err
		}
	}
}

func (s *socket) write(data []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.WriteMessage(websocket.BinaryMessage, data)
}

type upgrades struct{ listener net.Listener }

func openWS() (doors, error) {
	l, err := net.Listen("tcp", loopback)
	return upgrades{l}, err
}

func (u upgrades) addr() net.Addr { return u.listener.Addr() }
func (u upgrades) Close() error   { return u.listener.Close() }

func (u upgrades) serve(accept func(pipe)) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	err := http.Serve(u.listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Warnf("upgrade: %v", err)
			return
		}
		accept(&socket{Conn: c})
	}))
	log.Infof("no more upgrades: %v", err)
}

func dialWS(url string) (pipe, error) {
	dialer := websocket.Dialer{HandshakeTimeout: dialTimeout}
	c, response, err := dialer.Dial("ws://"+strings.TrimPrefix(url, "ws://"), nil)
	if response != nil && err != nil {
		err = fmt.Errorf("%w: %s", err, response.Status)
	}
	if err != nil {
		return nil, err
	}
	return &socket{Conn: c}, nil
}
