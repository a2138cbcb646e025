//! Connect, reconnect and disconnect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use due::testing::Harness;
use due::{Cid, Close, Context, Dispatch, Event, EventHandler, NodeBuilder, Uid};
use tokio::sync::Semaphore;

use crate::{Diary, Entries, Table, ask, route, text};

/// Notes every event; `login` binds a user, `wait` waits for a permit.
fn noting(node: NodeBuilder) -> (NodeBuilder, Entries, Arc<Semaphore>) {
    struct Noting(Diary);

    impl EventHandler for Noting {
        async fn handle(&self, ctx: Context) -> due::Result<()> {
            tokio::task::yield_now().await;
            self.0.note(format!("{:?} {} {:?}", ctx.event().unwrap(), ctx.cid(), ctx.uid().map(|uid| uid.0)));
            Ok(())
        }
    }

    let (diary, entries) = Diary::new();
    let permits = Arc::new(Semaphore::new(0));
    let (waits, notes, starts) = (Arc::clone(&permits), diary.clone(), diary.clone());
    let table = Table::new()
        .on(route(1), move |ctx, body| {
            let notes = notes.clone();
            Box::pin(async move {
                ctx.bind(Uid(body.parse()?)).await?;
                notes.note("logged in");
                Ok("welcome".to_owned())
            })
        })
        .on(route(2), move |_, body| {
            let (waits, notes) = (Arc::clone(&waits), starts.clone());
            Box::pin(async move {
                notes.note("begun");
                waits.acquire().await?.forget();
                Ok(body)
            })
        });
    let node = node
        .serve(table)
        .on_connect(Noting(diary.clone()))
        .on_reconnect(Noting(diary.clone()))
        .on_disconnect(Noting(diary));
    (node, entries, permits)
}

async fn events_keep_their_order(node: NodeBuilder) {
    let (node, mut entries, permits) = noting(node);
    let harness = Harness::builder().node(|_| node.lane(1)).start().await.unwrap();
    let client = harness.client().await.unwrap();
    assert_eq!(ask(&client, 1, "7").await, "welcome");
    entries.expect(&["Connect 1 None", "logged in", "Reconnect 1 Some(7)"]).await;
    assert_eq!(ask(&client, 1, "7").await, "welcome");
    entries.expect(&["logged in", "Reconnect 1 Some(7)"]).await;

    // One request runs, one fills the lane, one finds no room when the connection ends.
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { tokio::join!(ask(&client, 2, "x"), ask(&client, 2, "y"), ask(&client, 2, "z")) })
    };
    entries.expect(&["begun"]).await;
    harness.cluster().disconnect(Uid(7), Close::Force).await.unwrap();
    while harness.cluster().is_online(Uid(7)).await.unwrap() {
        tokio::task::yield_now().await;
    }
    asking.await.unwrap();
    assert!(entries.rest().is_empty());
    permits.add_permits(3);
    entries.expect(&["begun", "Disconnect 1 Some(7)"]).await;
    harness.stop().await;
    assert!(entries.rest().is_empty());
}

#[tokio::test]
async fn events_keep_their_order_per_session() {
    events_keep_their_order(due::Node::builder()).await;
}

#[tokio::test]
async fn events_keep_their_order_in_a_serial_node() {
    events_keep_their_order(due::Node::builder().dispatch(Dispatch::Serial)).await;
}

#[tokio::test]
async fn a_stop_handles_the_ends_of_its_sessions() {
    let (node, mut entries, _) = noting(due::Node::builder());
    let harness = Harness::builder().node(|_| node).start().await.unwrap();
    let (first, second) = (harness.client().await.unwrap(), harness.client().await.unwrap());
    assert_eq!(ask(&first, 1, "7").await, "welcome");
    assert_eq!(ask(&second, 1, "8").await, "welcome");
    harness.stop().await;
    let mut rest = entries.rest();
    rest.retain(|entry| entry.starts_with("Disconnect"));
    rest.sort();
    assert_eq!(rest, ["Disconnect 1 Some(7)", "Disconnect 2 Some(8)"]);
}

#[tokio::test]
async fn handlers_of_events_push_disconnect_and_may_fail() {
    let (diary, mut entries) = Diary::new();
    let welcome = |ctx: Context| async move {
        ctx.push(&text("welcome"))?;
        ctx.subscribe("all").await?;
        assert_eq!((ctx.route().0, ctx.seq().0), (0, 0));
        Err(due::Error::new(3, "only logged"))
    };
    let panics = |ctx: Context| async move {
        assert_ne!(ctx.event(), Some(Event::Connect), "only logged, too");
        Ok(())
    };
    let login = Table::new().on(route(1), |ctx, _| {
        Box::pin(async move {
            ctx.bind(Uid(7)).await?;
            Ok("welcome".to_owned())
        })
    });
    let harness = Harness::builder()
        .serve(login)
        .node(|node| {
            node.on_connect(panics)
                .on_connect(welcome)
                .on_reconnect(|ctx: Context| async move { Ok(ctx.disconnect(Close::Graceful).await?) })
                .on_disconnect(move |ctx: Context| {
                    diary.note(format!("{:?}", ctx.push(&text("too late")).is_err()));
                    async { Ok(()) }
                })
        })
        .start()
        .await
        .unwrap();
    let client = harness.client().await.unwrap();
    let mut pushes = client.pushes::<crate::Text>();
    // The push came before there was a listener, or after: the channel says that the handler has ended.
    while harness.cluster().publish("all", &text("news")).await.unwrap().delivered == 0 {
        tokio::task::yield_now().await;
    }
    while pushes.next().await.unwrap().unwrap() != text("news") {}
    assert_eq!(ask(&client, 1, "").await, "welcome");
    client.closed().await;
    entries.expect(&["true"]).await;
    harness.stop().await;
}

async fn many_sessions_keep_their_order(dispatch: Dispatch) {
    let log: Arc<Mutex<HashMap<Cid, Vec<String>>>> = Arc::default();
    let note = {
        let log = Arc::clone(&log);
        move |ctx: &Context, entry: String| log.lock().unwrap().entry(ctx.cid()).or_default().push(entry)
    };
    let on_event =
        |note: &(dyn Fn(&Context, String) + Sync), ctx: &Context| note(ctx, format!("{:?}", ctx.event().unwrap()));
    let (begin, end, message) = (note.clone(), note.clone(), note);
    let table = Table::new().on(route(1), move |ctx, body| {
        let message = message.clone();
        Box::pin(async move {
            if body != "2" {
                tokio::task::yield_now().await;
            }
            message(ctx, body.clone());
            Ok(body)
        })
    });
    let node = due::Node::builder()
        .dispatch(dispatch)
        .serve(table)
        .on_connect(move |ctx: Context| {
            let begin = begin.clone();
            async move {
                tokio::task::yield_now().await;
                on_event(&begin, &ctx);
                Ok(())
            }
        })
        .on_disconnect(move |ctx: Context| {
            on_event(&end, &ctx);
            async { Ok(()) }
        });
    let harness = Harness::builder().node(|_| node).start().await.unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let client = harness.client().await.unwrap();
        clients.spawn(async move {
            tokio::join!(ask(&client, 1, "1"), ask(&client, 1, "2"), ask(&client, 1, "3"));
            client.close().await;
        });
    }
    clients.join_all().await;
    harness.stop().await;
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 64);
    for (cid, entries) in &*log {
        assert_eq!(entries, &["Connect", "1", "2", "3", "Disconnect"], "session {cid}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sessions_keep_their_order_side_by_side() {
    many_sessions_keep_their_order(Dispatch::PerSession).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sessions_keep_their_order_in_a_serial_node() {
    many_sessions_keep_their_order(Dispatch::Serial).await;
}
