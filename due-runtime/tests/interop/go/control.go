package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/dobyte/due/v2/component"
)

// Lines of JSON for the test.
type output struct {
	mutex sync.Mutex
	file  *os.File
	quiet bool
}

// Makes the standard output ours alone: due prints there too, and goes to the standard error from now on.
func takeStdout() (*output, error) {
	ours, err := syscall.Dup(1)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(ours)
	if err := syscall.Dup2(2, 1); err != nil {
		return nil, err
	}
	return &output{file: os.NewFile(uintptr(ours), "test")}, nil
}

func (o *output) say(line map[string]any) {
	data, err := json.Marshal(line)
	if err != nil {
		fail(err)
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if _, err := o.file.Write(append(data, '\n')); err != nil {
		fail(err)
	}
}

// Says what somebody does again and again, unless nobody wants to hear it.
func (o *output) tell(line func() map[string]any) {
	if !o.quiet {
		o.say(line())
	}
}

// One of gate, node, mesh and client, with what it can be told.
type peer struct {
	cfg   *config
	out   *output
	parts []component.Component
	// Where clients connect.
	addr string
	do   map[string]func(command) (any, error)
}

// What the test wants. Of most commands a few fields matter.
type command struct {
	Number     int             `json:"number"`
	Do         string          `json:"do"`
	GID        string          `json:"gid"`
	NID        string          `json:"nid"`
	Name       string          `json:"name"`
	CID        int64           `json:"cid"`
	UID        int64           `json:"uid"`
	UIDs       []int64         `json:"uids"`
	Kind       int             `json:"kind"`
	State      int             `json:"state"`
	Channel    string          `json:"channel"`
	Route      int32           `json:"route"`
	Seq        int32           `json:"seq"`
	Body       []byte          `json:"body"`
	Count      int             `json:"count"`
	Ack        bool            `json:"ack"`
	Disconnect bool            `json:"disconnect"`
	Force      bool            `json:"force"`
	Addr       string          `json:"addr"`
	Conn       int64           `json:"conn"`
	Letter     *letter         `json:"letter"`
	Target     string          `json:"target"`
	Topic      string          `json:"topic"`
	Payload    json.RawMessage `json:"payload"`
	Signer     *secrets        `json:"signer"`
	Signature  []byte          `json:"signature"`
}

// Each command in a task of its own, so that one that waits delays no other.
func (p *peer) obey(input io.Reader) {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var cmd command
		if err := strict(lines.Bytes(), &cmd); err != nil {
			fail(fmt.Errorf("command %s: %w", lines.Text(), err))
		}
		do, ok := p.do[cmd.Do]
		if !ok {
			fail(fmt.Errorf("a %s cannot do %q", p.cfg.Role, cmd.Do))
		}
		go func() {
			value, err := do(cmd)
			if err != nil {
				p.out.say(map[string]any{"answer": cmd.Number, "error": err.Error()})
			} else {
				p.out.say(map[string]any{"answer": cmd.Number, "value": value})
			}
		}()
	}
	os.Exit(0)
}

func bytesReader(data []byte) io.Reader { return bytes.NewReader(data) }
