// A gate, node, mesh or client of due v2.5.8, which a test steers.
//
// Of due this is the published core module: cluster/{gate,node,mesh,client}, packet, session, encoding, and the drpc inside.
// Its submodules (network/{tcp,ws,kcp}, locate/redis, registry/{consul,etcd}, transport/grpc, eventbus/{redis,nats}) cannot be
// had from the module proxy in any version that fits this core. What stands for them in the files beside this one is ours,
// written from the protocol's description, and so is what stands for its crypto/{rsa,ecc}: packets, drpc, sessions, routing,
// events and codecs here are really due's, while keys in redis, layouts in the registries and envelopes of the event bus are
// checked against their description only. Of rpcx the library below due's transport can be had, and is here: both of its ends
// are real, due's wrapper is not.
//
// The only argument is a [config] in JSON. Commands come as lines of JSON on the standard input, answers and events leave on
// the standard output, one per line; whatever else is printed goes to the standard error. The process ends with its
// standard input, and by SIGTERM as due's container has it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/dobyte/due/v2"
	"github.com/dobyte/due/v2/component"
)

// What a peer is.
type config struct {
	Role string `json:"role"` // gate, node, mesh or client
	ID   string `json:"id"`
	Name string `json:"name"`
	// Of a gate and a client: tcp, ws or kcp.
	Network string `json:"network"`
	// How often a client says that it lives, and a gate looks who does; 10,000 ms by default.
	HeartbeatMS int      `json:"heartbeatMs"`
	Redis       string   `json:"redis"`
	Consul      string   `json:"consul"`
	Etcd        string   `json:"etcd"`
	Codec       string   `json:"codec"` // raw by default
	Dispatch    string   `json:"dispatch"`
	Routes      []route  `json:"routes"`
	Events      []string `json:"events"`
	// Discovery names that the test's service is served under.
	Services []string `json:"services"`
	// How that is called, and what `call` calls: grpc, the default, or rpcx.
	Transporter string `json:"transporter"`
	Bus         string `json:"bus"` // redis or nats
	Nats        string `json:"nats"`
	// Of a node, mesh and client.
	Encryptor *secrets `json:"encryptor"`
	// Says nothing of requests and of users' places: for benchmarks.
	Quiet bool `json:"quiet"`
}

func main() {
	out, err := takeStdout()
	if err != nil {
		fail(err)
	}
	if len(os.Args) != 2 {
		fail(fmt.Errorf("the only argument is the configuration in JSON, there are %d", len(os.Args)-1))
	}
	var cfg config
	if err := strict([]byte(os.Args[1]), &cfg); err != nil {
		fail(fmt.Errorf("configuration: %w", err))
	}
	peer, err := newPeer(&cfg, out)
	if err != nil {
		fail(err)
	}
	container := due.NewContainer()
	container.Add(peer.parts...)
	container.Add(&last{peer: peer})
	container.Serve()
	peer.out.say(map[string]any{"say": "stopped"})
}

// Starts when everything before it has.
type last struct {
	component.Base
	peer *peer
}

func (l *last) Name() string { return "control" }

func (l *last) Start() {
	l.peer.out.say(map[string]any{"say": "ready", "addr": l.peer.addr})
	go l.peer.obey(os.Stdin)
}

// Decodes one value, and nothing unknown.
func strict(data []byte, into any) error {
	decoder := json.NewDecoder(bytesReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(1)
}
