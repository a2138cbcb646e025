//! The defects of due v2.5.8 on the wire between servers, W1 to W8 of its description: provoked, and survived by ours.

use std::time::Instant;

use due::registry::{Kind, State};
use due::{Close, Gid, ServerId, Uid};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::ears::text64;
use crate::node::{NodeOf, Note, PUSH, To};
use crate::on_both;
use crate::support::redis::until;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE};

on_both!(
    an_answer_to_publish_that_is_cut_short,
    targets_by_the_thousand,
    long_channels,
    a_gate_of_go_dies_of_a_frame_and_comes_back,
    ids_that_would_kill_a_node_of_go,
    a_push_that_disconnects,
    a_user_who_is_not_where_he_is_said_to_be,
);

/// W1: nobody is there, and the answer says that it is longer than it is.
async fn an_answer_to_publish_that_is_cut_short(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let player = fleet.rust_player(GO_GATE).await;
    player.ask_text(3, "1001").await;
    let begun = Instant::now();
    for _ in 0..20 {
        let alone = rust.publish("nobody", b"alone");
        // Answers that follow on the same connections are read from where they begin.
        let (alone, online, state) =
            tokio::join!(alone, rust.is_online(&To::User(1001)), rust.state(Gid::from(GO_GATE).into()));
        assert_eq!((alone, online, state), (Ok(0), Ok(true), Ok(State::Work)));
    }
    assert!(begun.elapsed().as_secs() < 3, "no call has waited for its deadline: {:?}", begun.elapsed());
    // A number is read where there is one.
    rust.subscribe(&To::User(1001), "somebody").await.unwrap();
    for i in 0..20 {
        assert_eq!(rust.publish("somebody", &[i]).await, Ok(1));
        assert_eq!(player.push().await, [i]);
        assert_eq!(rust.publish("nobody", b"").await, Ok(0));
    }
    // Ours answers in full: Go reads nothing as nothing, and goes on.
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    fleet.go_gate.terminate();
    drop(player);
    go.ears.knows("gate", &json!({ RUST_GATE: "work" })).await;
    for _ in 0..20 {
        assert_eq!(go.publish("nobody", b"alone").await, Ok(0));
        assert_eq!(go.is_online(&To::Session(RUST_GATE.into(), 7)).await, Ok(false));
    }
    let unanswered = json!({ "do": "publish", "channel": "nobody", "route": PUSH, "body": "", "ack": false });
    assert_eq!(process.ask(unanswered).await, Ok(json!(0)));
}

/// W3: Go loses count of more than 8189.
async fn targets_by_the_thousand(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let (here, there) = (fleet.go_player(GO_GATE).await, fleet.rust_player(RUST_GATE).await);
    here.ask_text(3, "20000").await;
    there.ask_text(3, "20001").await;
    // Everybody is said to be where only one is.
    let uids: Vec<i64> = (1..=20_000).collect();
    let mut redis = fleet.world.redis.raw().await;
    for some in uids[..19_999].chunks(1000) {
        let keys: Vec<String> = some.iter().map(|uid| format!("due:locate:locate:user:{uid}:gate")).collect();
        let mut words = vec!["MSET"];
        words.extend(keys.iter().flat_map(|key| [key.as_str(), GO_GATE]));
        assert_eq!(redis.ask(&words).await, "+OK\r\n");
    }
    assert_eq!(rust.multicast(&uids, b"for one of 20,000").await, Ok(1));
    assert_eq!(here.push().await, b"for one of 20,000");
    // Of Go in one frame: ours counts to 65,535.
    let uids: Vec<i64> = (1..=20_001).collect();
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    let body = text64(b"in one frame");
    let command =
        json!({ "do": "multicast", "gid": RUST_GATE, "uids": uids, "route": PUSH, "body": body, "ack": true });
    assert_eq!(process.ask(command).await, Ok(json!(1)));
    assert_eq!(there.push().await, b"in one frame");
    let members = json!({ "do": "subscribe", "gid": RUST_GATE, "uids": uids, "channel": "crowd" });
    process.ask(members).await.unwrap();
    assert_eq!(rust.publish("crowd", b"to the crowd").await, Ok(1));
    assert_eq!(there.push().await, b"to the crowd");
}

/// W4: Go loses count of more than 240 bytes.
async fn long_channels(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let player = fleet.go_player(RUST_GATE).await;
    player.ask_text(3, "1001").await;
    let (long, longer) = ("c".repeat(240), "c".repeat(241));
    let told = rust.subscribe(&To::User(1001), &longer).await.unwrap_err();
    assert_eq!(told, "the channel name has 241 bytes, at most 240 are allowed");
    assert_eq!(rust.publish(&longer, b"").await.unwrap_err(), told);
    // Go says up to 255, which ours understands.
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    for channel in [long, longer, "c".repeat(255)] {
        go.subscribe(&To::User(1001), &channel).await.unwrap();
        let body = text64(channel.as_bytes());
        // Without an answer: the gate of Go has nobody to publish to, and would answer short.
        let command = json!({ "do": "publish", "channel": channel, "route": PUSH, "body": body, "ack": false });
        process.ask(command).await.unwrap();
        assert_eq!(player.push().await, channel.as_bytes());
    }
}

/// W5: a frame that is too short ends the whole process. Of ours it ends the connection.
async fn a_gate_of_go_dies_of_a_frame_and_comes_back(place: Place) {
    let mut fleet = Fleet::start(place).await;
    let survivor = fleet.rust_player(RUST_GATE).await;
    survivor.ask_text(3, "1001").await;
    let lost = fleet.rust_player(GO_GATE).await;
    lost.ask_text(3, "1002").await;
    let [rust, _] = &fleet.nodes;
    let (short, long) = ([0, 0, 0, 1, 0], [0xff, 0xff, 0xff, 0xff, 0]);
    let ours = [(Kind::Gate, RUST_GATE, short), (Kind::Gate, RUST_GATE, long), (Kind::Node, RUST_NODE, short)];
    for (kind, id, frame) in ours.into_iter().chain([(Kind::Node, RUST_NODE, long), (Kind::Gate, GO_GATE, short)]) {
        let list = rust.cluster().expect("ours").instances(kind).await.unwrap();
        let instance = list.iter().find(|instance| instance.id == id).expect("registered");
        let mut raw = TcpStream::connect(instance.address().expect("an address")).await.unwrap();
        raw.write_all(&frame).await.unwrap();
        let mut rest = Vec::new();
        // Closed, in good order or not.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut raw, &mut rest).await;
        assert_eq!(rest, b"");
    }
    assert_eq!(fleet.go_gate.ended().await.code(), Some(2), "a panic of Go: {}", fleet.go_gate.log());
    lost.closed().await;
    let begun = Instant::now();
    rust.push(&To::User(1002), b"to nobody").await.unwrap_err();
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    for node in &fleet.nodes {
        node.push(&To::User(1001), b"plays on").await.unwrap();
        assert_eq!(survivor.push().await, b"plays on");
    }
    // Another process with the same id, elsewhere.
    fleet.go_gate = fleet.world.go_gate(GO_GATE, "tcp").await;
    fleet.go_gate.ears.knows("node", &json!({ RUST_NODE: "work", GO_NODE: "work" })).await;
    let back = fleet.rust_player(GO_GATE).await;
    let [rust, _] = &fleet.nodes;
    until(async || rust.bind(GO_GATE, 1, 1002).await.is_ok()).await;
    rust.push(&To::User(1002), b"and back").await.unwrap();
    assert_eq!(back.push().await, b"and back");
}

/// W6: Go picks a connection by the rest of a division, which of negative numbers is negative.
async fn ids_that_would_kill_a_node_of_go(place: Place) {
    let mut fleet = Fleet::start(place).await;
    let [rust, go] = &mut fleet.nodes;
    let told = rust.push(&To::User(-1001), b"").await.unwrap_err();
    assert_eq!(told, "-1001 is no user id: it must be positive");
    assert_eq!(rust.deliver(Some(GO_NODE), 11, -1001, b"").await.unwrap_err(), told);
    assert_eq!(rust.bind_node(-1001, "game", GO_NODE).await.unwrap_err(), told);
    assert_eq!(rust.bind(GO_GATE, 1, -1001).await.unwrap_err(), told);
    let NodeOf::Go(process) = &mut go.of else { unreachable!("the second is of Go") };
    assert!(process.is_alive() && fleet.go_gate.is_alive());
}

/// W7: Go's nodes lose the flag of a single push, its gates do not.
async fn a_push_that_disconnects(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    for (gid, uid) in [(RUST_GATE, 1001), (GO_GATE, 1002)] {
        let (player, same) = (fleet.go_player(gid).await, fleet.rust_player(gid).await);
        player.ask_text(3, &uid.to_string()).await;
        same.ask_text(3, &(uid + 100).to_string()).await;
        let push = json!({ "do": "push", "route": PUSH, "body": text64(b"stay"), "ack": true, "disconnect": true });
        process.ask(To::User(uid).gos(push)).await.unwrap();
        assert_eq!(player.push().await, b"stay");
        assert_eq!(player.ask_text(10, "").await, "127.0.0.1", "{gid}");

        rust.cluster().unwrap().push_and_disconnect(Uid(uid), &Note(b"go".to_vec())).await.unwrap();
        assert_eq!(player.push().await, b"go");
        player.closed().await;
        // Of many it keeps the flag.
        let command = json!({
            "do": "multicast", "gid": gid, "uids": [uid + 100, 9999], "route": PUSH, "body": text64(b"all of you"),
            "ack": true, "disconnect": true,
        });
        assert_eq!(process.ask(command).await, Ok(json!(1)));
        assert_eq!(same.push().await, b"all of you");
        same.closed().await;
    }
}

/// W8: Go says that all is well if a user is twice not where he is said to be.
async fn a_user_who_is_not_where_he_is_said_to_be(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    let mut redis = fleet.world.redis.raw().await;
    for (gid, uid) in [(RUST_GATE, 7001), (GO_GATE, 7002)] {
        let key = format!("due:locate:locate:user:{uid}:gate");
        let user = To::User(uid);
        redis.ask(&["SET", &key, gid]).await;
        let told = rust.disconnect(&user, Close::Graceful).await.unwrap_err();
        assert_eq!(told, format!("user {uid} is not connected"), "{gid}");
        assert_eq!(go.disconnect(&user, Close::Graceful).await, Ok(()), "{gid}: what Go says");
        assert_eq!(go.unbind(uid).await, Ok(()), "{gid}: what Go says");
        assert_eq!(rust.is_online(&user).await, Ok(false));
        // A push that finds nobody takes the stale note away.
        redis.ask(&["SET", &key, gid]).await;
        rust.push(&user, b"").await.unwrap_err();
        until(async || redis.ask(&["EXISTS", &key]).await == ":0\r\n").await;
        redis.ask(&["SET", &key, gid]).await;
        let told = go.push(&user, b"").await;
        until(async || redis.ask(&["EXISTS", &key]).await == ":0\r\n").await;
        // A gate of ours takes it away before it answers, so Go finds that the user is nowhere; one of Go at some time.
        if gid == RUST_GATE {
            assert_eq!(told.unwrap_err(), "not found user's location");
        }
    }
    let gate: ServerId = Gid::from(RUST_GATE).into();
    assert_eq!(go.state(gate).await, Ok(State::Work));
}
