//! Who reaches which room.

use due::{ActorError, Uid};

use crate::{Room, World, ask, tell};

#[tokio::test]
async fn two_rooms_keep_their_state_apart() {
    let mut world = World::start().await;
    let left = world.room("left", &[1, 2]).await;
    let right = world.room("right", &[3]).await;
    assert_eq!(ask(&left[0], 11, "1").await, "1");
    assert_eq!(ask(&right[0], 11, "10").await, "10");
    assert_eq!(ask(&left[1], 11, "1").await, "2");
    assert_eq!(ask(&right[0], 11, "10").await, "20");
    let ids: Vec<String> = world.harness.node().actors::<Room>().iter().map(|room| room.id().to_owned()).collect();
    assert_eq!(ids, ["left", "right"]);
    assert_eq!(world.actor("left").members(), [Uid(1), Uid(2)]);
    world.harness.stop().await;
}

#[tokio::test]
async fn a_bind_moves_the_user() {
    let mut world = World::start().await;
    let user = world.room("left", &[1]).await.remove(0);
    let _other = world.room("right", &[2]).await;
    assert_eq!(ask(&user, 11, "5").await, "5");
    assert_eq!(ask(&user, 3, "right").await, "done");
    assert_eq!(ask(&user, 11, "7").await, "7");
    let (left, right) = (world.actor("left"), world.actor("right"));
    assert_eq!((left.members(), right.members()), (vec![], vec![Uid(1), Uid(2)]));
    assert!(!left.unbind(Uid(1)), "he is bound to the other one");
    assert_eq!(world.harness.node().actor_of::<Room>(Uid(1)).unwrap().id(), "right");
    left.kill();
    assert_eq!(ask(&user, 11, "7").await, "14");
    assert_eq!(left.bind(Uid(1)), Err(ActorError::Gone));
    assert_eq!(right.members(), [Uid(1), Uid(2)]);
    world.harness.stop().await;
}

#[tokio::test]
async fn who_is_in_no_room_is_told_so() {
    let mut world = World::start().await;
    let stranger = world.harness.client().await.unwrap();
    assert!(ask(&stranger, 11, "1").await.starts_with("7 "), "the gate refuses who is not logged in");
    let user = world.room("left", &[1]).await.remove(0);
    let guest = world.user(2).await;
    assert_eq!(ask(&guest, 11, "1").await, "5 join a room first");
    assert_eq!(ask(&guest, 3, "nowhere").await, "5 no such room");
    assert_eq!((ask(&user, 4, "").await, ask(&user, 4, "").await), ("true".into(), "false".into()));
    assert_eq!(ask(&user, 11, "1").await, "5 join a room first");
    world.harness.stop().await;
}

#[tokio::test]
async fn a_message_right_after_the_room_was_made_is_handled() {
    let mut world = World::start().await;
    let user = world.user(1).await;
    for round in 1..=20 {
        let id = round.to_string();
        let (made, first, second) = tokio::join!(ask(&user, 2, &id), ask(&user, 11, "1"), ask(&user, 11, "1"));
        assert_eq!((&*made, &*first, &*second), ("done", "1", "2"));
        world.entries.expect(&[&format!("{id} started")]).await;
    }
    world.harness.stop().await;
}

#[tokio::test]
async fn events_of_a_user_come_in_order_with_his_messages() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2]).await;
    let again = world.user(2).await;
    world.entries.expect(&["Reconnect of 2"]).await;
    for _ in 0..10 {
        tell(&users[0], 11, "1").await;
    }
    users[0].close().await;
    world.entries.expect(&["Disconnect of 1 at 10"]).await;
    assert_eq!(ask(&again, 11, "0").await, "10");
    assert_eq!(world.actor("left").members(), [Uid(2)], "it let the first user go");
    world.harness.stop().await;
}
