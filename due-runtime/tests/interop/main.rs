//! One cluster with due v2.5.8: gates, nodes and clients of Go and of Rust, on one redis and one consul or etcd.
//!
//! `go/` is the peer of Go, which this suite builds and steers. It stands on due's own core module: packets, drpc, sessions,
//! routing, events and codecs are due's. What reaches redis, consul, etcd, gRPC and the clients' sockets there is ours,
//! for due's modules cannot be had in a version that fits: see `go/main.go`.

mod bus;
mod defects;
mod drains;
mod ears;
mod events;
mod go;
mod greetings;
mod joins;
mod letters;
mod links;
mod logins;
mod mesh;
mod node;
mod player;
mod reach;
mod records;
mod requests;
mod rpcx;
mod secrets;
mod signatures;
mod stateful;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod world;

/// A test of both registries.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_consul {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::world::Place::consul()).await;
            })*
        }
        mod on_etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::world::Place::etcd()).await;
            })*
        }
    };
}
use on_both;
