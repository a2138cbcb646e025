//! Stateless services over rpcx: the Go library that due's transport stands on, both ways.

use std::time::Duration;

use due::Codec;
use due::mesh::{Channel, Code, Mesh, Request, Status, rpcx};
use due::registry::{Kind, Registry};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ears::text64;
use crate::node::NodeOf;
use crate::on_both;
use crate::support::redis::until;
use crate::world::{Place, World};

on_both!(a_mesh_of_go_is_called, a_mesh_of_rust_is_called);

#[derive(Clone, Serialize, Deserialize)]
struct IncrGold {
    #[serde(rename = "UID")]
    uid: i64,
    #[serde(rename = "Note")]
    note: String,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Gold {
    by: String,
    note: String,
}

/// As protoc-gen-go names its fields.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Day {
    seconds: i64,
    nanos: i32,
}

/// Short, the longest that is not compressed, the shortest that is, and long.
fn notes() -> [String; 4] {
    ["first".to_owned(), "x".repeat(980), "y".repeat(1025), "z".repeat(300_000)]
}

async fn a_mesh_of_go_is_called(place: Place) {
    let world = World::new(place);
    let go = json!({ "role": "mesh", "id": "m-go", "name": "mesh", "services": ["wallet"], "transporter": "rpcx" });
    let _go = world.go(go).await;
    let backends = world.backends();
    let registry: &dyn Registry = backends.as_ref();
    until(async || !registry.list(Kind::Mesh).await.unwrap().is_empty()).await;
    let mesh = registry.list(Kind::Mesh).await.unwrap()[0].clone();
    let addr = mesh.address().unwrap();
    assert_eq!(mesh.endpoint, format!("rpcx://{addr}?is_secure=false"));

    for target in ["discovery://wallet", "direct://m-go", &format!("direct://{addr}")] {
        let wallet = rpcx::Client::connect(&backends, target, "Wallet").await.unwrap();
        for note in notes() {
            let gold: Gold = wallet.call("IncrGold", &IncrGold { uid: 7, note: note.clone() }).await.unwrap();
            assert_eq!(gold, Gold { by: "m-go".to_owned(), note }, "{target}");
        }
        let calls = (0..200).map(|uid| {
            let wallet = wallet.clone();
            tokio::spawn(async move {
                let note = format!("{uid} ").repeat(uid);
                let request = IncrGold { uid: 7, note: note.clone() };
                assert_eq!(wallet.call::<Gold>("IncrGold", &request).await.unwrap().note, note);
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        let failed = async |method, uid| {
            let status = wallet.call::<Gold>(method, &IncrGold { uid, note: String::new() }).await.unwrap_err();
            (status.code(), status.message().to_owned())
        };
        assert_eq!(failed("IncrGold", 0).await, (Code::Unknown, "no such user".to_owned()));
        assert_eq!(failed("Rob", 7).await, (Code::Unimplemented, "rpcx: can't find method Rob".to_owned()));
        let hasty = wallet.clone().timeout(Duration::from_millis(100));
        let late = hasty.call::<Gold>("Sleep", &IncrGold { uid: 7, note: String::new() }).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
    }

    // Messages of a schema, as generated clients send them.
    let channel = Channel::connect(&backends, "discovery://wallet").await.unwrap();
    for codec in [Codec::GoMsgPack, Codec::Proto] {
        let day = Request::new(Timestamp { seconds: 1, nanos: 2 });
        let channel = channel.clone().codec(codec.clone());
        let next: Timestamp = channel.unary("/wallet.v1.Wallet/Tomorrow", day).await.unwrap().into_inner();
        assert_eq!(next, Timestamp { seconds: 86401, nanos: 2 }, "{codec:?}");
    }
}

async fn a_mesh_of_rust_is_called(place: Place) {
    let world = World::new(place);
    let backends = world.backends();
    let wallet = rpcx::Service::new("wallet", "Wallet")
        .method("IncrGold", |request: Request<IncrGold>| async move {
            let IncrGold { uid, note } = request.into_inner();
            if uid <= 0 {
                return Err(Status::not_found("no such user"));
            }
            Ok(Gold { by: "m-rust".to_owned(), note })
        })
        .method("Tomorrow", |request: Request<Day>| async move {
            let Day { seconds, nanos } = request.into_inner();
            Ok(Day { seconds: seconds + 24 * 60 * 60, nanos })
        });
    let mesh = Mesh::builder().id("m-rust").serve_rpcx(wallet).build().start(&backends).await.unwrap();
    // A node of Go serves nothing itself, and calls.
    let go = world.go_node("n-go", json!({ "transporter": "rpcx" })).await;
    let NodeOf::Go(process) = &go.of else { unreachable!("it is of Go") };
    let addr = mesh.addr();
    for target in ["discovery://wallet".to_owned(), "direct://m-rust".to_owned(), format!("direct://{addr}")] {
        let call = |uid: i64, note: &str| json!({ "do": "call", "target": target, "uid": uid, "body": text64(note.as_bytes()) });
        // It may not have heard of the mesh yet.
        until(async || process.ask(call(7, "")).await.is_ok()).await;
        for note in notes() {
            assert_eq!(process.ask(call(7, &note)).await, Ok(json!("m-rust")), "{target}");
        }
        assert_eq!(process.ask(call(0, "")).await, Err("no such user".to_owned()), "{target}");
    }
    mesh.stop().await;
    let call = json!({ "do": "call", "target": format!("direct://{addr}"), "uid": 7, "body": "" });
    assert!(process.ask(call).await.is_err());
}
