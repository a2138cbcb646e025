//! One at a time, in order, and not too many.

use std::collections::BTreeSet;

use due::{App, Backends, Dispatch, Gate, Node};

use crate::{ActorRef, Client, Room, World, ask, settle, tables, tell, text};

const USERS: i64 = 10;
const EACH: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_messages_of_ten_users_add_up() {
    for dispatch in [Dispatch::PerSession, Dispatch::Serial] {
        let (lobby, rooms, _entries) = tables::<4096>(|spec| spec.stateful());
        let node = Node::builder().dispatch(dispatch).serve(lobby).serve(rooms).build().unwrap();
        let gate = Gate::builder().tcp("127.0.0.1:0").build();
        let app = App::new().backends(Backends::memory()).gate(gate).node(node).start().await.unwrap();
        let address = app.addresses().next().unwrap().to_owned();
        let mut users = Vec::new();
        for uid in 1..=USERS {
            let client = Client::builder().connect(&address).await.unwrap();
            assert_eq!(ask(&client, 1, &uid.to_string()).await, "done");
            assert_eq!(ask(&client, if uid == 1 { 2 } else { 3 }, "hall").await, "done");
            users.push(tokio::spawn(async move {
                let asked = (0..EACH).map(|_| {
                    let client = client.clone();
                    async move { ask(&client, 11, "1").await.parse::<i64>().unwrap() }
                });
                let answers = futures(asked).await;
                assert!(answers.is_sorted(), "the messages of a user are in order");
                answers
            }));
        }
        let mut answers = Vec::new();
        for user in users {
            answers.extend(user.await.unwrap());
        }
        assert_eq!(answers.len(), 1000);
        assert_eq!(BTreeSet::from_iter(answers), (1..=1000).collect(), "each sum was seen by one user");
        let room: ActorRef<Room> = app.nodes().next().unwrap().actor("hall").unwrap();
        let sum = room.call(std::time::Duration::from_secs(5), async |room: &mut Room| room.sum).await;
        assert_eq!(sum, Ok(1000));
        app.stop().await;
    }
}

/// All at once, with the first poll in order.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in all.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(cx) {
                *output = Some(ready);
            }
        }
        if all.iter().any(|(_, output)| output.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(all.drain(..).filter_map(|(_, output)| output).collect())
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_while_its_message_waits_for_the_room() {
    let mut world = World::start().await;
    let users = world.room("left", &[1, 2]).await;
    let slow = tokio::spawn({
        let user = users[0].clone();
        async move { ask(&user, 12, "wait").await }
    });
    world.entries.expect(&["waits"]).await;
    tell(&users[1], 12, "hello").await;
    tell(&users[1], 5, "of the node").await;
    settle().await;
    assert_eq!(world.entries.rest(), [""; 0], "the room has not come to the first message");
    world.open.add_permits(1);
    world.entries.expect(&["left hello", "of the node"]).await;
    assert_eq!(slow.await.unwrap(), "waited");
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_serial_node_does_not_wait_for_its_rooms() {
    let mut world = World::start_with::<4096>(|builder| builder.node(|node| node.dispatch(Dispatch::Serial))).await;
    let users = world.room("left", &[1]).await;
    let slow = tokio::spawn({
        let user = users[0].clone();
        async move { ask(&user, 12, "wait").await }
    });
    world.entries.expect(&["waits"]).await;
    tell(&users[0], 12, "hello").await;
    assert_eq!(ask(&users[0], 5, "of the node").await, "done");
    world.entries.expect(&["of the node"]).await;
    let other = world.room("right", &[2]).await;
    assert_eq!(ask(&other[0], 11, "1").await, "1");
    world.open.add_permits(1);
    assert_eq!(slow.await.unwrap(), "waited");
    world.entries.expect(&["left hello"]).await;
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses() {
    let mut world = World::start_with::<2>(|builder| builder).await;
    let users = world.room("left", &[1, 2, 3, 4]).await;
    let mut asked = Vec::new();
    for (user, body) in users.iter().zip(["wait", "second", "third", "fourth"]) {
        let user = user.clone();
        asked.push(tokio::spawn(async move { ask(&user, 12, body).await }));
        settle().await;
    }
    assert_eq!(asked.pop().unwrap().await.unwrap(), "10 too many wait for the room");
    let room: ActorRef<Room<2>> = world.harness.node().actor("left").unwrap();
    assert_eq!(room.invoke(async |_: &mut Room<2>| ()), Err(due::ActorError::Full));
    world.open.add_permits(1);
    world.entries.expect(&["waits", "left second", "left third"]).await;
    assert_eq!(room.invoke(async |_: &mut Room<2>| ()), Ok(()));
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_nodes_for_one_room_do_not_wait_for_another() {
    let mut world = World::start().await;
    let left = world.room("left", &[1]).await;
    let _right = world.room("right", &[2]).await;
    let slow = tokio::spawn({
        let user = left[0].clone();
        async move { ask(&user, 12, "wait").await }
    });
    world.entries.expect(&["waits"]).await;
    let deliver = async |uid, body| {
        let cluster = world.harness.cluster();
        cluster.deliver(due::RouteId(12), Some(due::Uid(uid)), &text(body)).await.unwrap();
    };
    deliver(1, "first").await;
    deliver(1, "second").await;
    deliver(2, "third").await;
    world.entries.expect(&["right third"]).await;
    world.open.add_permits(1);
    world.entries.expect(&["left first", "left second"]).await;
    assert_eq!(slow.await.unwrap(), "waited");
    world.harness.stop().await;
}
