//! Messages to clients, and goodbyes: counted at both ends.

use due::{Code, Codec, Disconnect};
use serde_json::json;

use crate::world::{Note, World, code};

async fn next(pushes: &mut due::Pushes<Note>) -> String {
    pushes.next().await.unwrap().unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_one_many_all_and_a_channel() {
    let world = World::start("push").await;
    let api = &world.api;
    let (one, gid, cid) = world.player(0, 1).await;
    let (two, ..) = world.player(1, 2).await;
    let anonymous = world.client(1).await;
    let (mut to_one, mut to_two, mut to_anonymous) = (one.pushes(), two.pushes(), anonymous.pushes());
    let done = (200, json!({ "message": "push success" }));
    let total = |what: &str, delivered: u64, absent: u64| {
        let message = format!("{what} success, total: {delivered}");
        (200, json!({ "message": message, "delivered": delivered, "absent": absent, "failed": 0 }))
    };

    let body = json!({ "uid": 1, "message": { "route": 50, "body": { "text": "hi" } } });
    assert_eq!(api.post("push", body).await, done);
    assert_eq!(next(&mut to_one).await, r#"{"text":"hi"}"#);
    let body = json!({ "gate": gid, "cid": cid, "message": { "route": 50, "body_base64": "AP8=" } });
    assert_eq!(api.post("push", body).await, done);
    assert_eq!(next(&mut to_one).await, "\0\u{fffd}");
    let body = json!({ "uid": 1, "message": { "route": 50 } });
    assert_eq!(api.post("push", body).await, done);
    assert_eq!(next(&mut to_one).await, "");
    for nobody in [
        json!({ "uid": 9, "message": { "route": 50 } }),
        json!({ "gate": gid, "cid": cid + 99, "message": { "route": 50 } }),
        json!({ "gate": "g9", "cid": 1, "message": { "route": 50 } }),
    ] {
        assert_eq!(code(&api.post("push", nobody).await), (404, "not_found"));
    }

    let message = |text: &str| json!({ "route": 50, "body": text });
    let body = json!({ "uids": [1, 2, 99], "message": message("m") });
    assert_eq!(api.post("multicast", body).await, total("multicast", 2, 1));
    assert_eq!((next(&mut to_one).await, next(&mut to_two).await), ("\"m\"".into(), "\"m\"".into()));
    let body = json!({ "message": message("u") });
    assert_eq!(api.post("broadcast", body).await, total("broadcast", 2, 0), "who has no user is left out");
    let body = json!({ "audience": "sessions", "message": message("s") });
    assert_eq!(api.post("broadcast", body).await, total("broadcast", 3, 0));
    assert_eq!(next(&mut to_anonymous).await, "\"s\"");
    let body = json!({ "channel": "lobby", "message": message("c") });
    assert_eq!(api.post("publish", body).await, total("publish", 2, 0));
    let body = json!({ "channel": "nobody", "message": message("c") });
    assert_eq!(api.post("publish", body).await, total("publish", 0, 0));
    for heard in ["\"u\"", "\"s\"", "\"c\""] {
        assert_eq!((next(&mut to_one).await, next(&mut to_two).await), (heard.into(), heard.into()));
    }
    let body = json!({ "channel": "c".repeat(241), "message": message("c") });
    assert_eq!(code(&api.post("publish", body).await), (400, "bad_request"));

    for client in [one, two, anonymous] {
        client.close().await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_kicked_is_gone_and_may_have_been_told_why() {
    let world = World::start("kick").await;
    let done = (200, json!({ "message": "kick success" }));
    let (told, ..) = world.player(0, 1).await;
    let (silent, gid, cid) = world.player(1, 2).await;
    let (cut, ..) = world.player(1, 3).await;
    let kick = async |body| world.api.post("kick", body).await;
    assert_eq!(kick(json!({ "uid": 1, "reason": { "code": 42, "message": "no bots" } })).await, done);
    let Disconnect::Dismissed(status) = told.closed().await else { panic!("it was not told why") };
    assert_eq!((status.code(), &*status.message), (Code(42), "no bots"));
    assert_eq!(kick(json!({ "gate": gid, "cid": cid })).await, done);
    assert!(matches!(silent.closed().await, Disconnect::ByPeer));
    let both = kick(json!({ "uid": 3, "force": true, "reason": { "code": 1 } })).await;
    assert_eq!(code(&both), (400, "bad_request"));
    assert_eq!(kick(json!({ "uid": 3, "force": true })).await, done);
    cut.closed().await;
    for uid in [1, 4] {
        assert_eq!(code(&kick(json!({ "uid": uid })).await), (404, "not_found"));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_json_needs_a_codec_that_writes_it_without_a_schema() {
    let world = World::start_with("proto", |master| master.codec(Codec::Proto)).await;
    let (client, ..) = world.player(0, 1).await;
    let mut pushes = client.pushes();
    let answer = world.api.post("push", json!({ "uid": 1, "message": { "route": 50, "body": {} } })).await;
    assert_eq!(code(&answer), (422, "unprocessable"));
    let body = json!({ "uid": 1, "message": { "route": 50, "body_base64": "CgJoaQ==" } });
    assert_eq!(world.api.post("push", body).await.0, 200);
    assert_eq!(next(&mut pushes).await, "\n\u{2}hi");
    client.close().await;
    world.stop().await;
}
