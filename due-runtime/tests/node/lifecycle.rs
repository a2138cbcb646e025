//! Hooks of start and stop, and what a stop waits for.

use std::sync::Arc;
use std::time::Duration;

use due::registry::Kind;
use due::testing::Harness;
use due::{App, Code, Error, Node, StartError};
use tokio::sync::Semaphore;

use crate::{Diary, Table, ask, route};

#[tokio::test]
async fn hooks_run_around_the_life_of_a_node() {
    let (diary, mut entries) = Diary::new();
    let (started, stopping, destroyed) = (diary.clone(), diary.clone(), diary.clone());
    let answered = Arc::new(Semaphore::new(0));
    let until = Arc::clone(&answered);
    // Each waits for the other: they run at the same time.
    let meet = Arc::new(tokio::sync::Barrier::new(2));
    let also = Arc::clone(&meet);
    let echo = Table::new().on(route(1), |_, body| Box::pin(async move { Ok(body) }));
    let harness = Harness::builder()
        .node(|node| {
            node.serve(echo)
                .on_start(move |node| async move {
                    assert!(node.cluster().instances(Kind::Node).await?.is_empty());
                    meet.wait().await;
                    started.note("started");
                    Ok(())
                })
                .on_start(move |_| async move {
                    also.wait().await;
                    Ok(())
                })
                .on_stop(move |node| async move {
                    node.until_stopping().await;
                    stopping.note("stopping");
                    until.acquire().await?.forget();
                    stopping.note("answered");
                    Err(Error::new(1, "only logged"))
                })
                .on_stop(|_| async { panic!("only logged") })
                .on_destroyed(move |node| async move {
                    let others = node.cluster().instances(Kind::Node).await?;
                    assert!(others.iter().all(|other| other.id == "other"), "it is registered");
                    node.spawn(async { panic!("nothing runs any more") });
                    destroyed.note("destroyed");
                    Ok(())
                })
        })
        .other_node(Node::builder().id("other").serve(Table::new()).build().unwrap())
        .start()
        .await
        .unwrap();
    entries.expect(&["started"]).await;
    let cluster = harness.cluster().clone();
    let stop = tokio::spawn(harness.stop());
    entries.expect(&["stopping"]).await;
    // Its doors are closed for clients; other servers still reach it.
    let nid = cluster.instances(Kind::Node).await.unwrap().iter().map(|node| node.id.clone()).find(|id| id != "other");
    let nid = due::Nid::from(nid.unwrap());
    cluster.deliver_to(&nid, due::RouteId(1), None, &crate::text("still here")).await.unwrap();
    answered.add_permits(1);
    entries.expect(&["answered", "destroyed"]).await;
    stop.await.unwrap();
}

#[tokio::test]
async fn a_start_hook_that_fails_ends_the_start() {
    for panics in [false, true] {
        let (diary, mut entries) = Diary::new();
        let (dropped, destroyed) = (diary.clone(), diary.clone());
        let node = Node::builder()
            .on_start(move |node| async move {
                node.every(Duration::from_secs(1), || async {});
                assert!(!panics, "in a hook");
                Err(Error::new(Code::NOT_FOUND, "no room"))
            })
            .on_start(move |_| async move {
                let _dropped = scope(dropped, "given up");
                std::future::pending().await
            })
            .on_destroyed(move |_| async move {
                destroyed.note("destroyed");
                Ok(())
            });
        let error = App::new().node(node.build().unwrap()).start().await.unwrap_err();
        let StartError::Hook(error) = error else { panic!("{error}") };
        assert_eq!(error.message(), if panics { "a hook panicked" } else { "no room" });
        let mut rest = entries.rest();
        rest.sort();
        assert!(rest == ["destroyed", "given up"] || rest == ["destroyed"], "{rest:?}");
    }
}

/// Notes when it ends.
fn scope(diary: Diary, word: &'static str) -> impl Drop {
    struct Scope(Diary, &'static str);

    impl Drop for Scope {
        fn drop(&mut self) {
            self.0.note(self.1);
        }
    }

    Scope(diary, word)
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_tasks_but_not_for_ever() {
    let (diary, mut entries) = Diary::new();
    let table = Table::new().on(route(1), move |ctx, seconds| {
        let (diary, node) = (diary.clone(), ctx.node());
        Box::pin(async move {
            let seconds = seconds.parse()?;
            let end = scope(diary.clone(), if seconds > 3 { "dropped" } else { "done" });
            let handle = node.clone();
            node.spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                drop(end);
            });
            node.spawn(async move {
                handle.until_stopping().await;
                diary.note("hears of the stop");
            });
            node.spawn(async { panic!("only logged") });
            Ok(String::new())
        })
    });
    let harness =
        Harness::builder().serve(table).node(|node| node.drain(Duration::from_secs(3))).start().await.unwrap();
    let client = harness.client().await.unwrap();
    ask(&client, 1, "2").await;
    ask(&client, 1, "1000").await;
    let begun = tokio::time::Instant::now();
    harness.stop().await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    let mut rest = entries.rest();
    rest.sort();
    assert_eq!(rest, ["done", "dropped", "hears of the stop", "hears of the stop"]);
}
