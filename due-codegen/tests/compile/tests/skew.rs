//! A client that was generated from an older schema meets a gate of a newer one.

use due::{App, Backends, Client, Codec, ConnectError, Gate, Node, RunningApp, Skew, SkewPolicy};
use due_codegen_compile::newer::stage::v1::{StageMock, StageRoutes, Watching};
use due_codegen_compile::older::stage::v1::{StageClient, WatchRequest};
use due_codegen_compile::{newer, older};

async fn app(codec: Codec, gate: due::GateBuilder) -> (RunningApp, String) {
    let mock = StageMock::new();
    mock.sing().answers(|request| Ok(Watching { title: request.title + "!", ..request }));
    let app = App::new()
        .backends(Backends::memory().codec(codec))
        .gate(gate.tcp("127.0.0.1:0"))
        .node(Node::builder().serve(StageRoutes::new(mock)).build().unwrap())
        .start()
        .await
        .unwrap();
    let url = app.addresses().next().unwrap().to_owned();
    (app, url)
}

fn told(skew: &Skew) -> Vec<String> {
    skew.differences().iter().map(ToString::to_string).collect()
}

const BROKEN: [&str; 4] = [
    "route 2 (stage.v1.Stage.Leave) was removed",
    "route 1 (stage.v1.Stage.Enter) was retyped: request.ticket.seat.row is sint64 on the server, int32 on the client",
    "route 9 (stage.v1.Moved) was retyped: push.to.row is sint64 on the server, int32 on the client",
    "route 3 (stage.v1.Stage.Watch) is stricter: it needs a user",
];
const ADDED: &str = "route 5 (stage.v1.Stage.Dance) was added";

#[tokio::test]
async fn an_older_client_is_told_what_broke_and_calls_what_did_not() {
    let (app, url) = app(Codec::Proto, Gate::builder().schema(newer::DUE_SCHEMA)).await;
    // The second one of its age is answered from what the gate knows by then.
    for _ in 0..2 {
        let client = Client::builder().schema(older::DUE_SCHEMA).connect(&url).await.unwrap();
        let skew = client.skew().await;
        assert!(skew.is_breaking());
        assert_eq!(told(&skew), [&BROKEN[..], &[ADDED]].concat());
        let answer = StageClient::new(&client).sing(WatchRequest { song: "la".into(), mood: 0 }).await.unwrap();
        assert_eq!(answer.song, "la!");
        client.close().await;
    }
    let refused = Client::builder().schema(older::DUE_SCHEMA).skew_policy(SkewPolicy::Refuse);
    let Err(ConnectError::Skew { skew, .. }) = refused.connect(&url).await else { panic!("it connected") };
    assert_eq!(told(&skew)[..4], BROKEN);
    app.stop().await;
}

#[tokio::test]
async fn a_client_of_the_same_age_is_told_so_and_one_without_a_schema_nothing() {
    let (app, url) = app(Codec::Proto, Gate::builder().schema(newer::DUE_SCHEMA)).await;
    let refuses = Client::builder().schema(newer::DUE_SCHEMA).skew_policy(SkewPolicy::Refuse);
    let client = refuses.connect(&url).await.unwrap();
    assert_eq!(client.skew().await, Skew::Same);
    assert_eq!(Client::connect(&url).await.unwrap().skew().await, Skew::Unknown);
    client.close().await;
    app.stop().await;
}

#[tokio::test]
async fn a_newer_client_at_an_older_gate_is_told_the_other_way_round() {
    let (app, url) = app(Codec::Proto, Gate::builder().schema(older::DUE_SCHEMA)).await;
    let client = Client::builder().schema(newer::DUE_SCHEMA).connect(&url).await.unwrap();
    let expected = [
        "route 5 (stage.v1.Stage.Dance) was removed",
        "route 1 (stage.v1.Stage.Enter) was retyped: request has no field 3 on the server",
        "route 1 (stage.v1.Stage.Enter) was retyped: response has no field 2 on the server",
        "route 3 (stage.v1.Stage.Watch) was retyped: response has no field 2 on the server",
        "route 9 (stage.v1.Moved) was retyped: push.to.row is int32 on the server, sint64 on the client",
        "route 2 (stage.v1.Stage.Leave) was added",
    ];
    assert_eq!(told(&client.skew().await), expected);
    client.close().await;
    app.stop().await;
}

#[tokio::test]
async fn where_bodies_carry_names_other_names_break() {
    let (app, url) = app(Codec::Json, Gate::builder().schema(newer::DUE_SCHEMA)).await;
    let client = Client::builder().codec(Codec::Json).schema(older::DUE_SCHEMA).connect(&url).await.unwrap();
    let expected = [
        BROKEN[0],
        BROKEN[1],
        "route 3 (stage.v1.Stage.Watch) was retyped: request.title has another name on the client",
        "route 4 (stage.v1.Stage.Sing) was retyped: request.title has another name on the client",
        "route 4 (stage.v1.Stage.Sing) was retyped: response.title has another name on the client",
        BROKEN[2],
        BROKEN[3],
        ADDED,
    ];
    assert_eq!(told(&client.skew().await), expected);
    client.close().await;
    app.stop().await;
}
