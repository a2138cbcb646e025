//! Nodes that die in the middle of a call, and those that never take one.

use std::collections::BTreeMap;
use std::time::Duration;

use due::registry::{Kind, Registry};
use due::{ClusterError, Nid, NodeCallError, NodeTarget};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::raw::Fake;
use crate::world::World;
use crate::{ECHO, PATIENCE, asker, call, lobby};

#[tokio::test]
async fn a_node_that_is_killed_fails_its_calls_at_once() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let app = asker(&world).await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let caller = due::NodeCaller::from(app.cluster().unwrap());
        calls.spawn(async move {
            caller.call::<_, due::codec::RawBody>(&ECHO, Nid::from("N1"), &crate::raw("hi"), Some(PATIENCE)).await
        });
    }
    let mut node = fake.greet(2, "a").await;
    for number in 0..20 {
        let frame = node.frame().await;
        // Half of them are said to be queued.
        if number % 2 == 0 {
            let seq: String = frame[6..14].iter().map(|byte| format!("{byte:02x}")).collect();
            node.send(&format!("0000000c 00 0f {seq} 0000")).await;
        }
    }
    let begun = Instant::now();
    drop((node, fake));
    while let Some(outcome) = timeout(PATIENCE, calls.join_next()).await.unwrap() {
        match outcome.unwrap().unwrap_err() {
            NodeCallError::Lost { nid, reason } => {
                assert_eq!(nid.as_str(), "N1");
                assert!(
                    ["the connection has broken", "the other side has closed the connection"].contains(&&*reason),
                    "{reason}"
                );
            }
            error => panic!("{error:?}"),
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    app.stop().await;
}

#[tokio::test]
async fn so_does_one_that_the_registry_drops() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let app = asker(&world).await;
    let cluster = app.cluster().unwrap().clone();
    let waiting = tokio::spawn(async move {
        due::NodeCaller::from(cluster)
            .call::<_, due::codec::RawBody>(&ECHO, NodeTarget::Any, &crate::raw("hi"), Some(PATIENCE))
            .await
    });
    let mut node = fake.greet(2, "a").await;
    let _request = node.frame().await;
    node.send("0000000c 00 0f 0000000000000001 0000").await;
    world.registry.deregister(Kind::Node, "N1").await.unwrap();
    let error = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "node N1 is lost: the registry has it no more");
    let error = call(&app, &ECHO, NodeTarget::Any, "hi").await.unwrap_err();
    assert!(matches!(error, NodeCallError::Unsent(ClusterError::NoRoute(_))), "{error:?}");
    app.stop().await;
}

/// What it may have done is done by no other.
#[tokio::test]
async fn a_call_that_was_handed_over_is_not_repeated() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let other = world.node("b", lobby()).await;
    let app = asker(&world).await;
    let (cluster, killer) = (
        app.cluster().unwrap().clone(),
        tokio::spawn(async move {
            let mut node = fake.greet(2, "a").await;
            node.frame().await
        }),
    );
    let mut outcomes = BTreeMap::<String, usize>::new();
    for _ in 0..2 {
        let caller = due::NodeCaller::from(&cluster);
        let outcome =
            caller.call::<_, due::codec::RawBody>(&ECHO, NodeTarget::Any, &crate::raw("hi"), Some(PATIENCE)).await;
        let outcome = match outcome {
            Ok(answer) => crate::text(&answer),
            Err(NodeCallError::Lost { nid, .. }) => format!("{nid} is lost"),
            Err(error) => panic!("{error:?}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert_eq!(outcomes, BTreeMap::from([("N1 is lost".to_owned(), 1), ("hi at b".to_owned(), 1)]));
    assert_eq!(killer.await.unwrap()[5], 15);
    app.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_call_that_was_not_taken_goes_to_another_node() {
    let world = World::tcp();
    // One that nobody listens for, and one that says no: as a node that stops does.
    let (gone, full) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    drop(gone);
    let other = world.node("b", lobby()).await;
    let app = asker(&world).await;
    let refusing = tokio::spawn(async move {
        let mut node = full.greet(2, "a").await;
        let mut refused = 0_usize;
        loop {
            let Ok(frame) = timeout(PATIENCE, node.frame()).await else { return refused };
            if frame.len() == 4 || frame[5] != 15 {
                return refused;
            }
            refused += 1;
            let seq: String = frame[6..14].iter().map(|byte| format!("{byte:02x}")).collect();
            node.send(&format!("0000000c 00 0f {seq} 0002")).await;
            if refused == 2 {
                return refused;
            }
        }
    });
    for _ in 0..6 {
        assert_eq!(call(&app, &ECHO, NodeTarget::Any, "hi").await.unwrap(), "hi at b");
    }
    assert_eq!(refusing.await.unwrap(), 2);
    // Who is meant is asked, and no other.
    match call(&app, &ECHO, Nid::from("N1"), "hi").await.unwrap_err() {
        NodeCallError::NotTaken { nid, reason } => {
            assert!(nid.as_str() == "N1" && reason.starts_with("not reached: "), "{reason}")
        }
        error => panic!("{error:?}"),
    }
    app.stop().await;
    other.stop().await;
}
