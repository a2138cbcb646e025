//! Functions and timers that have their turn among messages.

use std::time::Duration;

use due::{Actor, ActorError};
use tokio::time::{Instant, sleep};

use crate::{Room, World, ask, settle};

const SOON: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn functions_have_their_turn_in_order() {
    let mut world = World::start().await;
    let users = world.room("left", &[1]).await;
    let room = world.actor("left");
    for number in 0..300 {
        room.invoke(async move |room: &mut Room| {
            tokio::task::yield_now().await;
            assert_eq!(room.sum, number);
            room.sum += 1;
        })
        .unwrap();
    }
    assert_eq!(ask(&users[0], 11, "0").await, "300");
    assert_eq!(room.call(SOON, Room::count).await, Ok(300));
    assert_eq!(room.call(SOON, async |room: &mut Room| room.sum.to_string()).await.as_deref(), Ok("300"));
    world.harness.stop().await;
}

impl Room {
    async fn count(&mut self) -> i64 {
        self.sum
    }

    async fn tick(&mut self) {
        self.sum += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_in_time() {
    let mut world = World::start().await;
    let _users = world.room("left", &[1]).await;
    let room = world.actor("left");
    assert_eq!(room.call(SOON, async |_: &mut Room| panic!("as it was told")).await, Err::<(), _>(ActorError::Failed));
    let itself = room.clone();
    let nested = room.call(SOON * 4, async move |room: &mut Room| {
        let late = itself.call(SOON, async |room: &mut Room| room.sum = -1).await;
        (late, room.sum)
    });
    assert_eq!(nested.await, Ok((Err(ActorError::DeadlineExceeded), 0)));
    settle().await;
    assert_eq!(room.call(SOON, Room::count).await, Ok(0), "what was not begun in time never is");
    let began = Instant::now();
    let slow = room.call(SOON, async |room: &mut Room| {
        sleep(SOON * 2).await;
        room.sum = 7;
    });
    assert_eq!((slow.await, began.elapsed()), (Err(ActorError::DeadlineExceeded), SOON));
    assert_eq!(room.call(SOON * 2, Room::count).await, Ok(7), "what was begun runs to its end");
    room.kill();
    assert_eq!(room.call(SOON, Room::count).await, Err(ActorError::Gone));
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn timers_have_the_state_and_end_with_the_actor() {
    let mut world = World::start().await;
    let _users = world.room("left", &[1]).await;
    let room = world.actor("left");
    let ticks = room.every(Duration::from_millis(10), Room::tick);
    let once = room.after(Duration::from_millis(25), async |room: &mut Room| room.sum += 100);
    let never = room.after(Duration::from_millis(25), async |room: &mut Room| room.sum += 1000);
    never.cancel();
    sleep(Duration::from_millis(24)).await;
    assert_eq!(room.call(SOON, Room::count).await, Ok(2));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(room.call(SOON, Room::count).await, Ok(103));
    ticks.cancel();
    drop(once);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(room.call(SOON, Room::count).await, Ok(103));
    let _ticks = room.every(Duration::from_millis(10), async |room: &mut Room| room.diary.note("tick"));
    sleep(Duration::from_millis(35)).await;
    room.kill();
    room.until_gone().await;
    world.entries.expect(&["tick", "tick", "tick", "left stopped at 103: Killed, [1]"]).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.entries.rest(), ["again started"], "a timer of an actor that has ended never ticks");
    world.harness.stop().await;
}

/// An actor without any route.
#[derive(Default)]
pub(crate) struct Counter(i64);

impl Actor for Counter {}

#[tokio::test]
async fn a_type_without_routes_has_a_kind_of_its_own() {
    let world = World::start().await;
    let node = world.harness.node();
    let counter = node.spawn_actor("left", Counter(3)).unwrap();
    assert!(counter.kind().ends_with("Counter"), "{}", counter.kind());
    assert_eq!(counter.call(SOON * 100, async |counter: &mut Counter| counter.0).await, Ok(3));
    assert!(node.actor::<Room>("left").is_none() && node.actor::<Counter>("left").is_some());
    world.harness.stop().await;
}
