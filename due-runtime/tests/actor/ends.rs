//! The end of a room, by its own hand or with its node: every message is answered once.

use std::time::Duration;

use due::Node;
use tokio::task::JoinHandle;

use crate::{Client, Room, Text, World, ask, settle, text};

/// Asks from a task, and lets the message come to the room.
async fn asking(user: &Client, body: &str) -> JoinHandle<String> {
    let (user, body) = (user.clone(), body.to_owned());
    let asked = tokio::spawn(async move { ask(&user, 12, &body).await });
    settle().await;
    asked
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_room_that_is_killed_is_answered_once() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2, 3, 4]).await;
    let mut asked = Vec::new();
    for (user, body) in users.iter().zip(["wait", "second", "third", "fourth"]) {
        asked.push(asking(user, body).await);
    }
    let room = world.actor("left");
    let mut pushes = users[1].pushes::<Text>();
    room.kill();
    room.kill();
    settle().await;
    assert!(!asked[0].is_finished(), "what is at hand goes on");
    let spawn = |world: &World| world.harness.node().spawn_actor("left", world.silent_room());
    assert_eq!(spawn(&world).unwrap_err().to_string(), "actor room/left exists");
    world.open.add_permits(1);
    assert_eq!(asked.remove(0).await.unwrap(), "waited");
    for asked in asked {
        assert_eq!(asked.await.unwrap(), "5 the room has ended");
    }
    assert_eq!(ask(&users[1], 12, "late").await, "5 join a room first");
    assert_eq!(pushes.next().await.unwrap().unwrap().0, "Killed");
    room.until_gone().await;
    world.entries.expect(&["waits", "left stopped at 0: Killed, [1, 2, 3, 4]", "again started"]).await;
    let next = spawn(&world).unwrap();
    assert!(!room.is_alive() && next.is_alive(), "a handle is of one life");
    world.harness.stop().await;
}

impl World {
    /// A room whose notes nobody reads.
    fn silent_room(&self) -> Room {
        let (notes, _) = tokio::sync::mpsc::unbounded_channel();
        Room { diary: crate::Diary(notes), open: self.open.clone(), sum: 0, heir: None }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_room_goes_after_its_user_to_the_next_one() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2]).await;
    let (node, room) = (world.harness.node(), world.actor("left"));
    room.invoke(async move |room: &mut Room| (room.sum, room.heir) = (5, Some(node))).unwrap();
    let first = asking(&users[0], "wait").await;
    let second = tokio::spawn({
        let user = users[1].clone();
        async move { ask(&user, 11, "2").await }
    });
    settle().await;
    room.kill();
    world.open.add_permits(1);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("waited".into(), "7".into()));
    assert_eq!(world.actor("anew").members(), [due::Uid(1), due::Uid(2)]);
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_itself_after_its_answer() {
    let mut world = World::start().await;
    let users = world.room("left", &[1]).await;
    let mut pushes = users[0].pushes::<Text>();
    assert_eq!(ask(&users[0], 12, "die").await, "dies");
    assert_eq!(pushes.next().await.unwrap().unwrap().0, "Killed");
    world.entries.expect(&["left stopped at 0: Killed, [1]"]).await;
    assert_eq!(ask(&users[0], 12, "late").await, "5 join a room first");
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_outlives_the_panic_of_a_handler() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2]).await;
    assert_eq!(ask(&users[0], 12, "panic").await, "6 internal error");
    assert_eq!(ask(&users[1], 11, "1").await, "101", "its state is as the panic left it");
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_does_not_start_is_taken_away() {
    for id in ["broken", "burning"] {
        let mut world = World::start().await;
        let user = world.user(1).await;
        let (made, asked) = tokio::join!(ask(&user, 2, id), ask(&user, 11, "1"));
        assert_eq!((&*made, &*asked), ("done", "5 the room has ended"));
        settle().await;
        assert_eq!(world.entries.rest(), [""; 0], "what has not started is not stopped");
        assert_eq!(ask(&user, 2, id).await, "done", "the id is free");
        world.harness.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_finishes_what_waits_then_stops_its_rooms() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2]).await;
    let mut pushes = users[1].pushes::<Text>();
    let (first, second) = (asking(&users[0], "wait").await, asking(&users[1], "second").await);
    let room = world.actor("left");
    room.after(Duration::from_secs(1), async |room: &mut Room| room.diary.note("never"));
    room.invoke(async |room: &mut Room| room.diary.note("invoked")).unwrap();
    let stop = tokio::spawn(world.harness.stop());
    settle().await;
    assert!(!first.is_finished() && !second.is_finished());
    world.open.add_permits(1);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("waited".into(), "noted".into()));
    assert_eq!(pushes.next().await.unwrap().unwrap(), text("NodeStopping"), "users are still there");
    stop.await.unwrap();
    assert_eq!(
        world.entries.rest(),
        ["waits", "left second", "invoked", "the node is stopping", "left stopped at 0: NodeStopping, [1, 2]"]
    );
    assert!(!room.is_alive());
    room.until_gone().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_room_does_not_finish_in_time_is_answered_too() {
    let drain = |node: due::NodeBuilder| node.drain(Duration::from_secs(2));
    for dispatch in [due::Dispatch::PerSession, due::Dispatch::Serial] {
        let change = |node: due::NodeBuilder| drain(node).dispatch(dispatch);
        let mut world = World::start_with::<4096>(|builder| builder.node(change)).await;
        let users = world.room("left", &[1, 2, 3]).await;
        let mut asked = Vec::new();
        for body in ["wait", "second", "third"] {
            asked.push(asking(&users[asked.len()], body).await);
        }
        let began = tokio::time::Instant::now();
        world.harness.stop().await;
        let took = began.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&took), "{took:?}");
        for asked in asked {
            assert_eq!(asked.await.unwrap(), "1 the server is stopping", "{dispatch:?}");
        }
        let rest = world.entries.rest();
        assert_eq!(
            rest,
            ["waits", "the node is stopping", "left stopped at 0: NodeStopping, [1, 2, 3]"],
            "{dispatch:?}"
        );
    }
}

#[tokio::test]
async fn rooms_of_a_node_that_never_was_are_dropped() {
    let (kept, rooms) = std::sync::mpsc::channel();
    let node = Node::builder().on_start(move |node| async move {
        kept.send(node.spawn_actor("early", crate::calls::Counter::default())?)?;
        Err(due::Error::new(1, "no"))
    });
    let started = due::testing::Harness::builder().node(|_| node).start().await;
    assert!(started.is_err());
    let room = rooms.recv().unwrap();
    room.until_gone().await;
    assert!(!room.is_alive());
    assert_eq!(room.bind(due::Uid(1)), Err(due::ActorError::Gone));
}
