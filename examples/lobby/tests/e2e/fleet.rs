//! What happens to a fleet when its parts end.

use std::sync::atomic::{AtomicBool, Ordering};

use due::{CallError, Code};
use lobby::v1::{CreateRoomCode, JoinRoomCode, LoginCode, RoomClosed, Said};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::golden;
use crate::player::{PASSWORD, Player, connect, login, next};
use crate::process::DEADLINE;
use crate::support::redis::until;
use crate::world::World;

/// The other one.
fn other(node: &str) -> &'static str {
    if node == "game-1" { "game-2" } else { "game-1" }
}

/// Opens a room as soon as a node does.
async fn opens_again(player: &Player, name: &str) -> i32 {
    let mut room = 0;
    until(async || match player.create_room(name).await {
        Ok((CreateRoomCode::Ok, id)) => {
            room = id;
            true
        }
        // The gate has not heard yet that a node is gone; it says so, and does not let anybody wait.
        Ok((CreateRoomCode::NameExists | CreateRoomCode::Failed, 0)) | Err(CallError::Status(_)) => false,
        other => panic!("{other:?}"),
    })
    .await;
    room
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_node_is_killed_is_told_and_plays_on_elsewhere() {
    let mut world = World::as_a_fleet().await;
    golden::frames(&world, "ws://").await;
    let [host, guest] = [Player::new(&world, 0).await, Player::new(&world, 1).await];
    let (_, room) = host.create_room("castle").await.unwrap();
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    let node = host.says("hi").await;
    assert_eq!(guest.says("hi").await, node);

    world.take(&node).kill();
    for player in [&host, &guest] {
        let status = crate::player::refusal(player.say("hi").await);
        let known = [
            // It was on the way when the node was killed.
            (Code::UNKNOWN, "the node was lost; it may have handled the request"),
            (Code::NOT_FOUND, "the user is bound to no node \"game\""),
        ];
        assert!(known.contains(&(status.code(), &*status.message)), "{status:?}");
    }
    // The room is missing, its name is free, and the other node has the next one of this name.
    let again = opens_again(&host, "castle").await;
    assert!(again > room);
    assert_eq!(host.says("hi").await, other(&node));
    assert_eq!(guest.join(room).await, JoinRoomCode::RoomMissing);
    assert_eq!(guest.join(again).await, JoinRoomCode::Ok);
    assert_eq!(guest.says("hi").await, other(&node));

    // One comes in its place, under another name.
    world.start("game", "game-3");
    world.fleet().knows("node", 3).await;
    let third = Player::new(&world, 0).await;
    until(async || {
        third.opens().await;
        third.says("hi").await == "game-3"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_node_stops_loses_no_answer_and_is_told() {
    let mut world = World::as_a_fleet().await;
    let players = [Player::new(&world, 0).await, Player::new(&world, 1).await];
    let room = players[0].opens().await;
    assert_eq!(players[1].join(room).await, JoinRoomCode::Ok);
    let node = players[0].says("hi").await;
    let mut closed = players.each_ref().map(|player| player.client.pushes::<RoomClosed>());

    let leaving = world.take(&node);
    // A second signal would end it at once.
    let told = AtomicBool::new(false);
    let play = async |player: &Player| {
        let mut said = 0;
        loop {
            match player.say("hi").await {
                Ok(response) if response.code == 0 => {
                    assert_eq!(response.node, node);
                    said += 1;
                    if said == 20 && !told.swap(true, Ordering::Relaxed) {
                        leaving.signal("TERM");
                    }
                }
                // The room has ended, or its member is bound to no node.
                Ok(response) => break assert_eq!(response.code, Code::NOT_FOUND.0, "{response:?}"),
                Err(CallError::Status(status)) => break assert_eq!(status.code(), Code::NOT_FOUND, "{status:?}"),
                Err(error) => panic!("{error}"),
            }
        }
        said
    };
    let (first, second) =
        timeout(DEADLINE, async { tokio::join!(play(&players[0]), play(&players[1])) }).await.unwrap();
    assert!(first.max(second) >= 20, "{first} {second}");
    leaving.ended_well();
    for closed in &mut closed {
        assert_eq!(next(closed).await, RoomClosed { room });
    }
    // Nobody waits for a registry: it has left.
    assert_eq!(players[1].join(room).await, JoinRoomCode::RoomMissing);
    players[0].opens().await;
    assert_eq!(players[0].says("hi").await, other(&node));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nobody_logs_in_and_everybody_plays_on() {
    let mut world = World::as_a_fleet().await;
    let [host, guest] = [Player::new(&world, 0).await, Player::new(&world, 1).await];
    let room = host.opens().await;
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    let node = host.says("hi").await;
    let late = connect(&world, 0).await;

    world.fleet().redis.kill();
    // Redis' three seconds, and those of whoever asks it: well below the ten of a client.
    assert_eq!(login(&late, &host.account, PASSWORD).await, (LoginCode::Failed, 0));
    assert_eq!(host.create_room("castle").await.unwrap(), (CreateRoomCode::Failed, 0));
    assert_eq!(host.says("still here").await, node);

    world.fleet().redis.revive();
    until(async || login(&late, &guest.account, PASSWORD).await.0 == LoginCode::Ok).await;
    timeout(DEADLINE, guest.client.closed()).await.expect("the newest wins");
    assert_eq!(host.says("still here").await, node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_another_one_replaces_loses_nothing() {
    let mut world = World::as_a_fleet().await;
    let [host, guest] = [Player::new(&world, 0).await, Player::new(&world, 1).await];
    let room = host.opens().await;
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    let mut heard = guest.client.pushes::<Said>();
    let node = host.says("hi").await;
    assert_eq!(next(&mut heard).await.text, "hi");
    let url = world.gate("ws://", 0);
    world.start_gate_beside("gate-1", "gate-3");
    assert_eq!(world.processes["gate-3"].urls("ws://"), std::slice::from_ref(&url));

    let (playing, mut played) = watch::channel(0);
    let play = tokio::spawn(async move {
        let (mut host, mut moves) = (host, 0);
        for number in 0.. {
            let text = number.to_string();
            loop {
                match host.say(&text).await {
                    Ok(response) => break assert_eq!((response.code, &response.node), (0, &node)),
                    // It was not sent.
                    Err(CallError::GoingAway) => {
                        moves += 1;
                        host = host.moves_to(&url).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            playing.send_replace(number);
            if moves > 0 && number >= 200 {
                break;
            }
        }
        host
    });
    let listen = tokio::spawn(async move {
        let mut said = Vec::new();
        while said.last().is_none_or(|last| last != "the end") {
            said.push(next(&mut heard).await.text);
        }
        said
    });
    played.wait_for(|number| *number >= 20).await.unwrap();
    let old = world.take("gate-1");
    old.signal("TERM");
    old.ended_well();
    let host = timeout(DEADLINE, play).await.expect("he plays on").unwrap();
    host.says("the end").await;
    // Each once, and in order.
    let mut said = timeout(DEADLINE, listen).await.expect("he is heard").unwrap();
    assert_eq!(said.pop().as_deref(), Some("the end"));
    assert!(said.len() > 200, "{}", said.len());
    let numbers: Vec<_> = (0..said.len()).map(|number| number.to_string()).collect();
    assert_eq!(said, numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_killed_takes_its_connections_along_and_nothing_else() {
    let mut world = World::as_a_fleet().await;
    let [host, guest] = [Player::new(&world, 0).await, Player::new(&world, 1).await];
    let room = host.opens().await;
    assert_eq!(guest.join(room).await, JoinRoomCode::Ok);
    let node = host.says("hi").await;
    world.take("gate-1").kill();
    timeout(DEADLINE, host.client.closed()).await.expect("it is lost");

    // What is left is the first one now.
    let host = host.again(&world, 0).await;
    assert_eq!(host.says("here again").await, node);
    assert_eq!(guest.says("welcome").await, node);
}
