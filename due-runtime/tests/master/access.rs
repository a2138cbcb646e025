//! Who may ask, and how much.

use due::master::axum::Router;
use due::master::axum::routing::post;
use due::{App, Cluster, Master, StartError, Uid};
use serde_json::{Value, json};

use crate::world::{Api, TOKEN, World, backends, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_token_nothing_of_the_cluster_is_told() {
    let world = World::start("access").await;
    let document = world.api.raw("GET", "/openapi.json", &[], "").await;
    assert_eq!(document.status, 200);
    let document: Value = serde_json::from_str(&document.body).unwrap();
    let mut refused = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{kind}", "node").replace("{id}", "access-n1");
        for method in methods.as_object().unwrap().keys() {
            for token in ["", "Bearer a token of the suit", "Bearer", "Basic YTph"] {
                let answer = world
                    .api
                    .raw(&method.to_uppercase(), &path, &[("Authorization", token)], "{\"state\":\"hang\"}")
                    .await;
                if ["/", "/openapi.json"].contains(&&*path) {
                    assert_eq!(answer.status, 200);
                } else {
                    assert_eq!(answer.status, 401, "{method} {path}");
                    let body: Value = serde_json::from_str(&answer.body).unwrap();
                    assert_eq!(body["code"], "unauthorized");
                    assert!(!answer.body.contains("access-"), "{}", answer.body);
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(refused, 17 * 4);
    assert_eq!(world.api.raw("GET", "/what", &[], "").await.status, 401, "nor which paths there are");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_in_words() {
    let world = World::start("sense").await;
    let api = &world.api;
    assert_eq!(code(&api.get("what").await), (404, "not_found"));
    assert_eq!(code(&api.call("DELETE", "instances", None).await), (405, "bad_method"));
    let message = json!({ "uid": 1, "message": { "route": 50 } });
    let cases = [
        (json!({ "uid": 1 }), "the body: missing field `message` at line 1 column 9"),
        (json!({ "uid": 1, "who": 2, "message": { "route": 50 } }), "the body: unknown field `who`"),
        (json!({ "uid": "x", "message": { "route": 50 } }), "the body: invalid type: string \"x\", expected i64"),
        (json!({ "message": { "route": 50 } }), "to whom? a `uid`, or a `gate` and a `cid`"),
        (json!({ "uid": 1, "gate": "g", "message": { "route": 50 } }), "to whom? a `uid`, or a `gate` and a `cid`"),
        (json!({ "uid": 1, "message": { "route": 0 } }), "route 0 is none of a game: they are positive"),
        (json!({ "uid": 1, "message": { "route": -1 } }), "route -1 is none of a game: they are positive"),
        (json!({ "uid": 1, "message": { "route": 5, "body_base64": "?" } }), "`body_base64` is no base64: "),
        (json!({ "uid": 0, "message": { "route": 5 } }), "0 is no user id: it must be positive"),
    ];
    for (body, said) in cases {
        let answer = api.post("push", body).await;
        assert_eq!(code(&answer), (400, "bad_request"));
        let message = answer.1["message"].as_str().unwrap();
        assert!(message.starts_with(said), "{message}");
    }
    let too_far = api.post("push", json!({ "uid": 1, "message": { "route": 70000 } })).await;
    assert_eq!(code(&too_far), (422, "unprocessable"), "two bytes are its place in a packet");

    let bearer = format!("Bearer {TOKEN}");
    let authorized = ("Authorization", &*bearer);
    let answer = api.raw("POST", "/api/v1/push", &[authorized], &message.to_string()).await;
    assert_eq!(answer.status, 415, "{}", answer.body);
    let json = ("Content-Type", "application/json");
    let answer = api.raw("POST", "/api/v1/push", &[authorized, json], &" ".repeat(512 * 1024 + 1)).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    let users: Vec<i64> = (1..=10_001).collect();
    let answer = api.post("multicast", json!({ "uids": users, "message": { "route": 50 } })).await;
    assert_eq!(code(&answer), (400, "bad_request"));
    world.stop().await;
}

#[tokio::test]
async fn others_reach_a_master_only_with_a_token() {
    let start = async |master| App::new().backends(backends()).master(master).start().await;
    let error = start(Master::builder().listen("0.0.0.0:0")).await.unwrap_err();
    assert!(matches!(error, StartError::Master(_)), "{error:?}");
    let error = error.to_string();
    assert!(error.starts_with("a master on 0.0.0.0:"), "{error}");
    assert!(
        error.ends_with(
            "which is no loopback address, needs a token: MasterBuilder::token, or `etc.cluster.master.token`"
        )
    );
    let error = start(Master::builder().listen("127.0.0.1:0").token("123456789")).await.unwrap_err();
    assert_eq!(error.to_string(), "the token has 9 bytes, at least 16 are needed");
    let app = start(Master::builder().listen("0.0.0.0:0").token(TOKEN)).await.unwrap();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_at_every_start_where_none_is_given() {
    let start = async || {
        let master = Master::builder().listen("127.0.0.1:0");
        App::new().backends(backends()).master(master).start().await.unwrap()
    };
    let (one, other) = (start().await, start().await);
    let (api, foreign) = (Api::of(&one), Api::of(&other));
    assert_eq!(api.token.len(), 48);
    assert_ne!(api.token, foreign.token);
    assert_eq!(api.get("instances").await, (200, json!({ "instances": [] })));
    assert_eq!(code(&Api { token: foreign.token, ..api.clone() }.get("instances").await), (401, "unauthorized"));
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_of_the_game_stand_behind_the_same_token() {
    let world = World::start_with("own", |master| {
        master.routes(|cluster: Cluster| {
            let online = async move || cluster.is_online(Uid(7)).await.unwrap().to_string();
            Router::new().route("/admin/seven", post(online))
        })
    })
    .await;
    let (client, ..) = world.player(0, 7).await;
    let bearer = format!("Bearer {TOKEN}");
    let answer = world.api.raw("POST", "/admin/seven", &[("Authorization", &bearer)], "").await;
    assert_eq!((answer.status, &*answer.body), (200, "true"));
    assert_eq!(world.api.raw("POST", "/admin/seven", &[], "").await.status, 401);
    client.close().await;
    world.stop().await;
}
