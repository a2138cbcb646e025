//! What a node of either language does to the sessions of gates of either language.

use due::{Audience, Close};

use crate::node::To;
use crate::on_both;
use crate::player::Player;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE, Setup};

on_both!(
    a_session_and_a_user_are_pushed_to,
    and_over_ws,
    and_over_kcp,
    many_users_and_all_of_them_are_pushed_to,
    channels_have_members_on_both_gates,
    who_is_where_and_whether_is_known,
    sessions_are_closed,
    users_are_bound_and_unbound,
);

/// Logs in; the uids and connection ids of users who are at both gates, with clients of both languages.
async fn everybody(fleet: &Fleet) -> Vec<(Player, i64, To)> {
    let mut all = Vec::new();
    for gid in [RUST_GATE, GO_GATE] {
        all.push((fleet.rust_player(gid).await, gid));
        all.push((fleet.go_player(gid).await, gid));
    }
    let mut users = Vec::new();
    for ((player, gid), uid) in all.into_iter().zip(1001..) {
        player.ask_text(3, &uid.to_string()).await;
        let is_login = |line: &serde_json::Value| line["say"] == "reconnect" && line["uid"] == uid;
        let mut cid = 0;
        for node in &fleet.nodes {
            let login = node.ears.hear(is_login).await;
            assert_eq!(login["gid"], gid);
            cid = login["cid"].as_i64().unwrap();
        }
        users.push((player, uid, To::Session(gid.to_owned(), cid)));
    }
    users
}

async fn a_session_and_a_user_are_pushed_to(place: Place) {
    pushed_to(&Fleet::start(place).await).await;
}

async fn and_over_ws(place: Place) {
    pushed_to(&Fleet::with(Setup { network: "ws", ..Setup::default() }, place).await).await;
}

async fn and_over_kcp(place: Place) {
    pushed_to(&Fleet::with(Setup { network: "kcp", ..Setup::default() }, place).await).await;
}

async fn pushed_to(fleet: &Fleet) {
    let users = everybody(fleet).await;
    for node in &fleet.nodes {
        for (player, uid, session) in &users {
            let body: Vec<u8> = (0..=255).cycle().take(5000).collect();
            node.push(&To::User(*uid), &body).await.unwrap();
            assert_eq!(player.push().await, body);
            node.push(session, b"by cid").await.unwrap();
            assert_eq!(player.push().await, b"by cid");
        }
        for gid in [RUST_GATE, GO_GATE] {
            let told = node.push(&To::Session(gid.to_owned(), 77), b"").await.unwrap_err();
            assert_eq!(told, node.says("not found session", &format!("session 77 of gate {gid} is not connected")));
        }
    }
}

async fn many_users_and_all_of_them_are_pushed_to(place: Place) {
    let fleet = Fleet::start(place).await;
    let users = everybody(&fleet).await;
    let nobody = fleet.rust_player(GO_GATE).await;
    for node in &fleet.nodes {
        // One who is absent makes Go give up the others: its group of calls ends with the first error.
        let uids = [1001, 1002, 1003, 1004, 9999];
        let uids = if node.cluster().is_some() { &uids[..] } else { &uids[..4] };
        assert_eq!(node.multicast(uids, b"some").await.unwrap(), 4, "{}", node.nid);
        assert_eq!(node.broadcast(Audience::Users, b"users").await.unwrap(), 4, "{}", node.nid);
        assert_eq!(node.broadcast(Audience::Sessions, b"sessions").await.unwrap(), 5, "{}", node.nid);
        for (player, ..) in &users {
            let mut heard = [player.push().await, player.push().await, player.push().await];
            // Due sends these three on different connections.
            heard.sort();
            assert_eq!(heard, [b"sessions".to_vec(), b"some".to_vec(), b"users".to_vec()]);
        }
        assert_eq!(nobody.push().await, b"sessions");
    }
}

async fn channels_have_members_on_both_gates(place: Place) {
    let fleet = Fleet::start(place).await;
    let users = everybody(&fleet).await;
    for (node, channel) in fleet.nodes.iter().zip(["room:1", &"r".repeat(240)]) {
        let mut ids = Vec::new();
        for (player, uid, session) in &users {
            match uid % 4 {
                // By themselves, by uid, by cid; and one is no member.
                0 => drop(player.ask_text(7, channel).await),
                1 => node.subscribe(&To::User(*uid), channel).await.unwrap(),
                2 => node.subscribe(session, channel).await.unwrap(),
                _ => continue,
            }
            ids.push(*uid);
        }
        assert_eq!(node.publish(channel, b"to members").await.unwrap(), 3, "{}", node.nid);
        for (player, uid, _) in &users {
            if ids.contains(uid) {
                assert_eq!(player.push().await, b"to members");
            }
        }
        // What was pushed to others has not come here.
        node.push(&To::User(1003), b"alone").await.unwrap();
        assert_eq!(users[2].0.push().await, b"alone");

        node.unsubscribe(&To::User(1001), channel).await.unwrap();
        node.unsubscribe(&users[1].2, channel).await.unwrap();
        assert_eq!(node.publish(channel, b"to the last").await.unwrap(), 1, "{}", node.nid);
        assert_eq!(users[3].0.push().await, b"to the last");
        users[3].0.ask_text(8, channel).await;
    }
}

async fn who_is_where_and_whether_is_known(place: Place) {
    let fleet = Fleet::start(place).await;
    let users = everybody(&fleet).await;
    let nobody = fleet.go_player(RUST_GATE).await;
    nobody.ask_text(2, "").await;
    for node in &fleet.nodes {
        for (player, uid, session) in &users {
            let To::Session(gid, _) = session else { unreachable!("a session") };
            assert_eq!(node.locate_gate(*uid).await.unwrap(), *gid);
            for to in [&To::User(*uid), session] {
                assert!(node.is_online(to).await.unwrap(), "{}: {to:?}", node.nid);
                assert_eq!(node.ip(to).await.unwrap(), "127.0.0.1", "{}: {to:?}", node.nid);
            }
            assert_eq!(player.ask_text(10, "").await, "127.0.0.1");
        }
        assert_eq!(node.locate_gate(9999).await.unwrap(), "");
        assert!(!node.is_online(&To::Session(RUST_GATE.to_owned(), 99)).await.unwrap());
        assert!(!node.is_online(&To::Session(GO_GATE.to_owned(), 99)).await.unwrap());
    }
    // Go reads a number of fewer than 65,536 as 0: W2.
    let [rust, go] = &fleet.nodes;
    assert_eq!((rust.stat(Audience::Users).await, rust.stat(Audience::Sessions).await), (Ok(4), Ok(5)));
    assert_eq!((go.stat(Audience::Users).await, go.stat(Audience::Sessions).await), (Ok(0), Ok(0)));
}

async fn sessions_are_closed(place: Place) {
    let fleet = Fleet::start(place).await;
    for node in &fleet.nodes {
        for close in [Close::Graceful, Close::Force] {
            for (player, uid, session) in everybody(&fleet).await {
                let to = if uid % 2 == 0 { To::User(uid) } else { session };
                if close == Close::Graceful {
                    node.push(&to, b"farewell").await.unwrap();
                }
                node.disconnect(&to, close).await.unwrap();
                if close == Close::Graceful {
                    assert_eq!(player.push().await, b"farewell");
                }
                player.closed().await;
                for node in &fleet.nodes {
                    let left = node.ears.hear_a("disconnect").await;
                    assert_eq!(left["uid"], uid, "{}", node.nid);
                }
                assert_eq!(fleet.world.gate_of(uid).await, "$-1\r\n");
            }
        }
    }
    // By a handler.
    for gid in [RUST_GATE, GO_GATE] {
        for _ in 0..2 {
            let player = fleet.go_player(gid).await;
            player.send(9, b"").await;
            player.closed().await;
        }
    }
}

async fn users_are_bound_and_unbound(place: Place) {
    let fleet = Fleet::start(place).await;
    for (node, uid) in fleet.nodes.iter().zip([3001, 3002]) {
        for gid in [RUST_GATE, GO_GATE] {
            let player = fleet.rust_player(gid).await;
            let cid = cid_of(&fleet, gid).await;
            node.bind(gid, cid, uid).await.unwrap();
            for node in &fleet.nodes {
                let login = node.ears.hear_a("reconnect").await;
                assert_eq!((login["gid"].as_str(), login["cid"].as_i64()), (Some(gid), Some(cid)));
                assert_eq!(login["uid"], uid);
            }
            assert_eq!(fleet.world.gate_of(uid).await, format!("${}\r\n{gid}\r\n", gid.len()));
            node.push(&To::User(uid), b"user").await.unwrap();
            assert_eq!(player.push().await, b"user");
            node.unbind(uid).await.unwrap();
            assert_eq!(fleet.world.gate_of(uid).await, "$-1\r\n");
            assert!(!node.is_online(&To::Session(gid.to_owned(), cid + 1)).await.unwrap());
            // The connection stays.
            assert!(node.is_online(&To::Session(gid.to_owned(), cid)).await.unwrap());
            let told = node.bind(gid, cid + 50, uid).await.unwrap_err();
            let ours = format!("session {} of gate {gid} is not connected", cid + 50);
            assert_eq!(told, node.says("not found session", &ours));
            player.close().await;
            for node in &fleet.nodes {
                assert_eq!(node.ears.hear_a("disconnect").await["uid"], 0);
            }
        }
    }
}

/// The id of the connection that was just opened.
async fn cid_of(fleet: &Fleet, gid: &str) -> i64 {
    let [rust, go] = &fleet.nodes;
    let (rust, go) = tokio::join!(rust.ears.hear_a("connect"), go.ears.hear_a("connect"));
    assert_eq!((&rust["cid"], rust["gid"].as_str()), (&go["cid"], Some(gid)));
    rust["cid"].as_i64().unwrap()
}
