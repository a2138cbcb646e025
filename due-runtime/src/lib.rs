//! Servers for online games: a [`Gate`] keeps the client connections, a [`Node`] runs the rules behind numbered routes,
//! a [`Mesh`] serves stateless services. On the wire they speak due (v2.5.8, and the bare ws dialect of 2023).
//!
//! ```
//! use due::{App, Client, Codec, Context, Gate, Node, Backends};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Greet { name: String }
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Greeting { text: String }
//!
//! #[due::route(1)]
//! async fn greet(_ctx: &mut Context, request: Greet) -> due::Result<Greeting> {
//!     Ok(Greeting { text: format!("hello {}", request.name) })
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let app = App::new()
//!     .backends(Backends::memory().codec(Codec::Json))
//!     .gate(Gate::builder().tcp("127.0.0.1:0").build())
//!     .node(Node::builder().serve(due::routes![greet]).build()?)
//!     .start()
//!     .await?;
//!
//! let url = app.addresses().next().expect("one listener");
//! let client = Client::builder().codec(Codec::Json).connect(url).await?;
//! # client.close().await;
//! app.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # .unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Handlers, clients and pushes are usually generated from a `.proto` by `due-codegen`; what it generates implements the
//! traits of this crate.
//!
//! | where | what |
//! |---|---|
//! | [`App`], [`Backends`] | servers of one process, and what they share |
//! | [`Gate`], [`transport`], [`packet`] | connections, listeners, the wire to clients |
//! | [`Node`], [`Context`], [`route`](macro@route), [`routes!`] | handlers |
//! | [`Middleware`], [`EventHandler`], [`NodeHandle`] | what is around handlers and beside them |
//! | [`Actor`], [`ActorRef`] | rooms: handlers with a state of their own |
//! | [`Cluster`], [`Push`], [`PushExt`] | push, bind, locate, disconnect |
//! | [`Mesh`] | services by gRPC or rpcx, and the clients that find them |
//! | [`Client`], [`Caller`] | the other end: tools, bots, tests |
//! | [`registry`], [`locator`], [`codec`] | backends behind traits, and how bodies are written |
//! | [`crypto`] | bodies that gates cannot read, and signatures |
//! | [`Skew`] | how the schema of a client and that of its gate differ |
//! | [`event`] | what servers tell each other by topic |
//! | [`testing`] | gate, node and client in one test, without a socket |
//! | [`metrics`] | what servers count |
//!
//! Servers log through `tracing` and install no subscriber. What a gate does for a connection is in the span
//! `session{cid peer}` (level info), what a node does for a message in `request{cid uid route seq}` (level debug).
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `tcp` | yes | [`GateBuilder::tcp`], `tcp://` clients |
//! | `ws` | yes | [`GateBuilder::ws`], `ws://` clients |
//! | `kcp` | no | `GateBuilder::kcp`, `kcp://` clients: `transport::kcp` |
//! | `link` | yes | [`TcpLink`]: gates and nodes in processes of their own |
//! | `tls` | no | TLS on tcp, ws and link, `tls://` and `wss://` clients: `transport::tls` |
//! | `mesh` | yes | [`Mesh`] |
//! | `rpcx` | no | meshes that speak rpcx, as those of Go do: `mesh::rpcx`; with `mesh` |
//! | `redis` | no | `locator::RedisLocator` and `event::RedisBus`, which Go processes can share: `redis` |
//! | `nats` | no | `event::NatsBus`, which Go processes can share |
//! | `etcd` | no | `registry::EtcdRegistry` |
//! | `consul` | no | `registry::ConsulRegistry` |
//! | `rsa` | no | `crypto::RsaEncryptor`, `crypto::RsaSigner` |
//! | `ecc` | no | `crypto::EccEncryptor`, `crypto::EccSigner` |
//! | `etc` | no | `App::from_etc`: servers out of a directory of toml, yaml, json and xml files: `etc`; `config` |
//! | `prometheus` | no | `App::metrics`: what a process counts, for Prometheus |
//! | `master` | no | `Master`: an HTTP API and a page for operators: `master`; with `etc` and `prometheus` |

// Inside one process, servers use half of what they can say to each other.
#![cfg_attr(not(feature = "link"), allow(dead_code))]

#[cfg(any(feature = "mesh", feature = "prometheus"))]
mod advertise;
mod app;
#[cfg(any(feature = "link", feature = "redis", feature = "nats"))]
mod backoff;
mod client;
mod cluster;
pub mod codec;
#[doc(hidden)]
pub mod codegen;
#[cfg(feature = "etc")]
pub mod config;
pub mod crypto;
mod disk;
mod error;
#[cfg(feature = "etc")]
pub mod etc;
pub mod event;
mod future;
mod gate;
mod handler;
#[cfg(feature = "prometheus")]
mod http;
mod id;
#[cfg(any(feature = "tcp", feature = "ws", feature = "link", feature = "mesh"))]
mod listen;
pub mod locator;
#[cfg(feature = "master")]
pub mod master;
#[cfg(feature = "mesh")]
pub mod mesh;
pub mod metrics;
mod node;
pub mod packet;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
mod route;
mod session;
mod skew;
mod status;
pub mod testing;
pub mod transport;

pub use bytes::Bytes;

pub use app::{App, RunningApp, StartError};
pub use client::{
    Call, CallError, Caller, Client, ClientBuilder, ConnectError, Disconnect, Pushes, ReceiveError, SkewPolicy, Traffic,
};
#[cfg(feature = "link")]
#[doc(hidden)]
pub use cluster::fuzzing;
pub use cluster::{
    Audience, Backends, Balance, Close, Cluster, ClusterError, Event, NodeCall, NodeCallError, NodeCaller, NodeTarget,
    Push, PushExt, RouteMismatch, ServerId, Tally, Target,
};
#[cfg(feature = "link")]
pub use cluster::{ShortSecret, TcpLink};
pub use codec::{Body, Codec};
pub use due_macros::{route, routes};
pub use error::{Code, Error, Result};
#[cfg(feature = "etc")]
pub use etc::{Etc, EtcError};
pub use event::{EventExt, EventMessage};
pub use future::BoxFuture;
pub use gate::{DuplicateLogin, Excess, Gate, GateBuilder, HeartbeatMechanism, ListenError, RateLimits};
pub use id::{Cid, Gid, Nid, RouteId, Seq, Uid};
#[cfg(feature = "master")]
pub use master::Master;
#[cfg(feature = "mesh")]
pub use mesh::Mesh;
#[cfg(feature = "prometheus")]
pub use metrics::exposition::OtherRecorder;
pub use node::{
    Actor, ActorError, ActorRef, BuildError, Context, DefaultHandler, Dispatch, EventHandler, InvokeError, LayerFn,
    Layered, Middleware, Next, Node, NodeBuilder, NodeHandle, Reply, RouteConflict, RouteOptions, Sender, SpawnError,
    StopCause, Timer, TimerGuard, layer_fn,
};
pub use route::{HandlerFuture, RouteSpec, Routes};
pub use session::{OutboxLimits, Overflow};
pub use skew::{Difference, DifferenceKind, Schema, Skew};
pub use status::Status;

/// Includes what a build script generated with `due_codegen::Builder`: the module tree of all proto packages.
#[macro_export]
macro_rules! include_proto {
    () => {
        include!(concat!(env!("OUT_DIR"), "/mod.rs"));
    };
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
