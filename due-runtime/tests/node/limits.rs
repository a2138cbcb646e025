//! Requests that end early: by their deadline, or with their session.

use std::sync::Arc;
use std::time::Duration;

use due::testing::Harness;
use due::{Close, Dispatch, Node, NodeBuilder, RouteId, RouteOptions, Routes as _, Uid};
use tokio::sync::Semaphore;

use crate::{Diary, Table, ask, route};

/// Notes when it is dropped before its time.
struct Dropped(Diary, bool);

impl Dropped {
    fn in_time(mut self) {
        self.1 = true;
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        if !self.1 {
            self.0.note("dropped");
        }
    }
}

/// Routes 1 to 3 sleep for so many seconds.
fn sleepy(diary: &Diary) -> Table {
    (1..=3).fold(Table::new(), |table, id| {
        let diary = diary.clone();
        table.on(route(id), move |_, seconds| {
            let dropped = Dropped(diary.clone(), false);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(seconds.parse()?)).await;
                dropped.in_time();
                Ok(seconds)
            })
        })
    })
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_dropped_and_answered() {
    let (diary, mut entries) = Diary::new();
    let seconds = |seconds| RouteOptions::new().deadline(Duration::from_secs(seconds));
    let table = sleepy(&diary)
        .with_route_options(RouteId(2), seconds(5))
        .with_route_options(RouteId(3), RouteOptions::new().deadline(Duration::MAX));
    let harness = Harness::builder().serve(table).node(|node| node.deadline(Duration::from_secs(1))).start().await;
    let harness = harness.unwrap();
    let client = harness.client().await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(ask(&client, 1, "0").await, "0");
    assert_eq!(ask(&client, 1, "2").await, "4 the request took too long");
    assert_eq!(begun.elapsed().as_secs(), 1);
    entries.expect(&["dropped"]).await;
    assert_eq!(ask(&client, 2, "4").await, "4");
    assert_eq!(ask(&client, 2, "6").await, "4 the request took too long");
    entries.expect(&["dropped"]).await;
    assert_eq!(ask(&client, 3, "9").await, "9");
    harness.stop().await;
    assert!(entries.rest().is_empty());
}

/// Route 1 logs in, route 2 waits for ever, route 3 waits for the client to go.
fn waiting(node: NodeBuilder, diary: &Diary) -> NodeBuilder {
    let (waits, watches) = (diary.clone(), diary.clone());
    let forever = Arc::new(Semaphore::new(0));
    let table = Table::new()
        .on(route(1), |ctx, body| {
            Box::pin(async move {
                ctx.bind(Uid(body.parse()?)).await?;
                Ok("welcome".to_owned())
            })
        })
        .on(route(2), move |_, _| {
            let (diary, forever) = (waits.clone(), Arc::clone(&forever));
            Box::pin(async move {
                diary.note("waits");
                let _dropped = Dropped(diary, false);
                forever.acquire().await?.forget();
                Ok(String::new())
            })
        })
        .on(route(3), move |ctx, _| {
            let diary = watches.clone();
            Box::pin(async move {
                assert!(!ctx.is_gone());
                diary.note("watches");
                ctx.until_gone().await;
                diary.note(format!("gone {}", ctx.is_gone()));
                Ok(String::new())
            })
        });
    node.serve(table.with_route_options(RouteId(2), RouteOptions::new().cancel_when_gone(true)))
}

async fn requests_end_with_their_session(node: NodeBuilder) {
    let (diary, mut entries) = Diary::new();
    let harness = Harness::builder().node(|_| waiting(node, &diary)).start().await.unwrap();
    for request in [2, 3] {
        let client = harness.client().await.unwrap();
        assert_eq!(ask(&client, 1, "7").await, "welcome");
        let asking = tokio::spawn(async move { tokio::join!(ask(&client, request, ""), ask(&client, 2, "")) });
        entries.expect(&[if request == 2 { "waits" } else { "watches" }]).await;
        harness.cluster().disconnect(Uid(7), Close::Force).await.unwrap();
        entries.expect(&[if request == 2 { "dropped" } else { "gone true" }]).await;
        asking.await.unwrap();
    }
    // The request that waited behind was not begun. What the node does next proves that it had its turn.
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "8").await, "welcome");
    harness.stop().await;
    assert!(entries.rest().is_empty());
}

#[tokio::test]
async fn requests_end_with_their_session_if_they_are_told_to() {
    requests_end_with_their_session(Node::builder()).await;
}

#[tokio::test]
async fn requests_end_with_their_session_in_a_serial_node() {
    requests_end_with_their_session(Node::builder().dispatch(Dispatch::Serial)).await;
}
