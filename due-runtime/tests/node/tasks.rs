//! Timers, and functions that have their turn among requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use due::testing::Harness;
use due::{Context, Dispatch, InvokeError, Node};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use crate::{Diary, Table, ask, route};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn timers_run_until_they_are_canceled_or_the_node_stops() {
    let (diary, mut entries) = Diary::new();
    let harness = Harness::builder().start().await.unwrap();
    let node = harness.node();
    let note = |word: &'static str| {
        let diary = diary.clone();
        async move { diary.note(word) }
    };
    node.after(3 * SECOND, note("after three"));
    node.after(2 * SECOND, note("never")).cancel();
    drop(node.after(2 * SECOND, note("never")).cancel_on_drop());
    node.after_invoke(SECOND, note("invoked after one"));
    entries.expect(&["invoked after one", "after three"]).await;

    let (ticks, ran) = (diary.clone(), Arc::new(AtomicUsize::new(0)));
    let begun = tokio::time::Instant::now();
    let timer = node.every(10 * SECOND, move || {
        let (diary, run) = (ticks.clone(), ran.fetch_add(1, Ordering::Relaxed));
        async move {
            diary.note(format!("tick at {}", begun.elapsed().as_secs()));
            assert_ne!(run, 0, "only logged");
            if run == 1 {
                sleep(15 * SECOND).await;
                diary.note("a long tick");
            }
        }
    });
    entries.expect(&["tick at 10", "tick at 20", "a long tick", "tick at 35", "tick at 40"]).await;
    timer.cancel();
    node.after(1000 * SECOND, note("never"));
    let begun = tokio::time::Instant::now();
    harness.stop().await;
    assert_eq!(begun.elapsed().as_secs(), 0);
    assert!(entries.rest().is_empty());
    node.after(Duration::ZERO, note("never")).cancel();
    assert_eq!(node.invoke(note("never")), Err(InvokeError::Stopped));
}

#[tokio::test]
async fn nothing_overlaps_in_a_serial_node() {
    let running = Arc::new(Semaphore::new(1));
    let alone = {
        let running = Arc::clone(&running);
        move || {
            let running = Arc::clone(&running);
            async move {
                let _one = running.try_acquire().expect("not alone");
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    let (diary, mut entries) = Diary::new();
    let (in_route, in_event) = (alone.clone(), alone.clone());
    let table = Table::new().on(route(1), move |ctx, body| {
        let (alone, invoked, diary) = (in_route.clone(), in_route.clone(), diary.clone());
        Box::pin(async move {
            for _ in 0..3 {
                let (invoked, diary) = (invoked.clone(), diary.clone());
                ctx.node().invoke(async move {
                    invoked().await;
                    diary.note("invoked");
                })?;
            }
            alone().await;
            Ok(body)
        })
    });
    let event = move |_: Context| {
        let alone = in_event.clone();
        async move {
            alone().await;
            Ok(())
        }
    };
    let node = Node::builder().dispatch(Dispatch::Serial).on_connect(event.clone()).on_disconnect(event);
    let harness = Harness::builder().node(|_| node.serve(table)).start().await.unwrap();
    for _ in 0..5 {
        let client = harness.client().await.unwrap();
        let (first, second) = tokio::join!(ask(&client, 1, "a"), ask(&client, 1, "b"));
        assert_eq!((&*first, &*second), ("a", "b"));
        client.close().await;
    }
    for _ in 0..30 {
        entries.expect(&["invoked"]).await;
    }
    harness.stop().await;
}

#[tokio::test]
async fn an_invoked_function_has_its_turn_in_the_session() {
    let (diary, mut entries) = Diary::new();
    let table = Table::new().on(route(1), move |ctx, body| {
        let diary = diary.clone();
        Box::pin(async move {
            diary.note(format!("begins {body}"));
            let (notes, word) = (diary.clone(), body.clone());
            ctx.invoke(async move { notes.note(format!("invoked by {word}")) })?;
            ctx.invoke(async { panic!("only logged") })?;
            tokio::task::yield_now().await;
            diary.note(format!("ends {body}"));
            Ok(body)
        })
    });
    let harness = Harness::builder().serve(table).start().await.unwrap();
    let client = harness.client().await.unwrap();
    ask(&client, 1, "a").await;
    entries.expect(&["begins a", "ends a", "invoked by a"]).await;
    harness.stop().await;
}

#[tokio::test]
async fn too_many_functions_are_refused() {
    let harness = Harness::builder().start().await.unwrap();
    let node = harness.node();
    let (go, wait) = oneshot::channel();
    node.invoke(async move { drop(wait.await) }).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = Arc::clone(&ran);
        async move {
            ran.fetch_add(1, Ordering::Relaxed);
        }
    };
    for _ in 0..4096 {
        node.invoke(count()).unwrap();
    }
    assert_eq!(node.invoke(count()), Err(InvokeError::Full));
    go.send(()).unwrap();
    harness.stop().await;
    assert_eq!(ran.load(Ordering::Relaxed), 4096, "a stop waits for what waits");
}
