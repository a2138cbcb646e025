//! Stateless services over gRPC, and what a mesh does to the cluster.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use due::codegen::tonic::codegen::{BoxFuture, Service, http};
use due::codegen::tonic::server::{Grpc, NamedService, UnaryService};
use due::codegen::{Bytes, tonic};
use due::mesh::{self, BytesCodec, Channel, Mesh, Request, Response, Status};
use due::{App, Audience, Backends, Cluster};
use serde_json::json;

use crate::node::Note;
use crate::on_both;
use crate::support::redis::until;
use crate::world::{Fleet, Place, World};

on_both!(
    a_mesh_of_go_is_called,
    a_mesh_of_rust_is_called,
    a_mesh_of_go_reaches_sessions,
    a_tool_of_ours_reaches_sessions
);

const SEND: &str = "/post.v1.Office/Send";

/// What `go/peer.go` serves, of ours: says who has what.
#[derive(Clone)]
struct Office;

impl mesh::Service for Office {
    const NAME: &'static str = "office";
    type Grpc = Self;

    fn into_grpc(self) -> Self {
        self
    }
}

impl NamedService for Office {
    const NAME: &'static str = "post.v1.Office";
}

impl Service<http::Request<tonic::body::Body>> for Office {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(BytesCodec).unary(Send, request).await) })
    }
}

struct Send;

impl UnaryService<Bytes> for Send {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + std::marker::Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let codec = mesh::codec_of(&request);
        let answer: Ready<_> = ready(mesh::read::<String>(request).map(|text| {
            let text = text.into_inner();
            Response::new(format!("m-rust has {text}"))
        }));
        Box::pin(async move { mesh::respond(answer.await, &codec) })
    }
}

async fn a_mesh_of_go_is_called(place: Place) {
    let world = World::new(place);
    let go = json!({ "role": "mesh", "id": "m-go", "name": "mesh", "services": ["office"] });
    let _go = world.go(go).await;
    let backends = world.backends();
    for target in ["discovery://office", "direct://m-go"] {
        let channel = Channel::connect(&backends, target).await.unwrap();
        until(async || send(&channel, "first").await.is_ok()).await;
        let long = "x".repeat(70_000);
        assert_eq!(send(&channel, &long).await.unwrap(), format!("m-go has {long}"), "{target}");
    }
    let nobody = Channel::connect(&backends, "discovery://nobody").await.unwrap();
    assert!(send(&nobody, "").await.is_err());
}

async fn send(channel: &Channel, text: &str) -> Result<String, Status> {
    channel.unary::<String, String>(SEND, Request::new(text.to_owned())).await.map(Response::into_inner)
}

async fn a_mesh_of_rust_is_called(place: Place) {
    let world = World::new(place);
    let backends: Backends = world.backends();
    let mesh = Mesh::builder().id("m-rust").addr("127.0.0.1:0").serve(Office).build().start(&backends).await.unwrap();
    // A node of Go serves nothing itself, and calls.
    let go = world.go_node("n-go", json!({})).await;
    let crate::node::NodeOf::Go(process) = &go.of else { unreachable!("it is of Go") };
    let addr = mesh.addr();
    for target in ["discovery://office".to_owned(), "direct://m-rust".to_owned(), format!("direct://{addr}")] {
        let call = json!({ "do": "call", "target": target, "body": crate::ears::text64(b"a parcel") });
        // It may not have heard of the mesh yet.
        until(async || process.ask(call.clone()).await.is_ok()).await;
        assert_eq!(process.ask(call).await, Ok(json!("m-rust has a parcel")), "{target}");
    }
    mesh.stop().await;
    let call = json!({ "do": "call", "target": format!("direct://{addr}"), "body": "" });
    assert!(process.ask(call).await.is_err());
}

async fn a_mesh_of_go_reaches_sessions(place: Place) {
    let fleet = Fleet::start(place).await;
    let go = fleet.world.go(json!({ "role": "mesh", "id": "m-go", "name": "mesh", "services": ["office"] })).await;
    let gates = json!({ crate::world::RUST_GATE: "work", crate::world::GO_GATE: "work" });
    go.ears.knows("gate", &gates).await;
    let player = fleet.rust_player(crate::world::RUST_GATE).await;
    player.ask_text(3, "1001").await;
    let body = crate::ears::text64(b"of a mesh");
    go.ask(json!({ "do": "push", "uid": 1001, "route": 50, "body": body, "ack": true })).await.unwrap();
    assert_eq!(player.push().await, b"of a mesh");
    let broadcast = json!({ "do": "broadcast", "kind": 1, "route": 50, "body": body, "ack": true });
    assert_eq!(go.ask(broadcast).await, Ok(json!(1)));
    assert_eq!(player.push().await, b"of a mesh");
    assert_eq!(go.ask(json!({ "do": "locate-gate", "uid": 1001 })).await, Ok(json!("g-rust")));
    assert_eq!(go.ask(json!({ "do": "is-online", "uid": 1001 })).await, Ok(json!(true)));
    // Nodes take no messages of a mesh: ours as little as Go's.
    for nid in ["n-rust", "n-go"] {
        go.ask(json!({ "do": "deliver", "nid": nid, "route": 11, "body": "" })).await.unwrap();
    }
    player.send(11, b"of a client").await;
    player.send(11, b"of a client").await;
    for node in &fleet.nodes {
        assert_eq!(node.heard(11).await["body"], crate::ears::text64(b"of a client"), "{}", node.nid);
    }
    go.terminate();
    go.stopped().await;
}

async fn a_tool_of_ours_reaches_sessions(place: Place) {
    let fleet = Fleet::start(place).await;
    let player = fleet.go_player(crate::world::GO_GATE).await;
    player.ask_text(3, "1001").await;
    let tool = Cluster::connect(&fleet.world.backends()).await.unwrap();
    tool.push(due::Uid(1001), &Note(b"of a tool".to_vec())).await.unwrap();
    assert_eq!(player.push().await, b"of a tool");
    assert_eq!(tool.stat(Audience::Users).await.delivered, 1);
    assert_eq!(tool.broadcast(Audience::Users, &Note(b"to all".to_vec())).await.unwrap().delivered, 1);
    assert_eq!(player.push().await, b"to all");
    // It has no server, and may go as it came.
    drop(tool);
    let app = App::new().backends(fleet.world.backends()).start().await.unwrap();
    app.stop().await;
}
