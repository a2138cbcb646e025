//! What holds whatever carries the calls.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use due::codec::RawBody;
use due::{Bytes, ClusterError, Code, Context, Nid, NodeCallError, NodeCaller, NodeTarget, RouteId, Uid};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::world::World;
use crate::{
    ECHO, GATE, NOBODYS, PANIC, PATIENCE, PING, REFUSE, RELAY, WAIT, WHERE, call, lobby, meet, nodes, raw, text,
};

/// Runs each story over every link.
macro_rules! over_every_link {
    ($($story:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")] async fn $story() { super::$story(crate::world::World::memory()).await; })*
        }
        mod tcp {
            $(#[tokio::test(flavor = "multi_thread")] async fn $story() { super::$story(crate::world::World::tcp()).await; })*
        }
    };
}

over_every_link! {
    a_call_has_the_response_of_the_node_that_was_meant,
    a_refusal_comes_with_code_and_message,
    a_late_answer_is_neither_taken_for_another_nor_for_a_request,
    a_call_that_is_dropped_is_forgotten,
    nodes_of_one_name_call_each_other_and_themselves_on_one_route,
    a_user_is_found_where_he_is_bound,
    a_thousand_calls_are_answered_once_each,
    a_node_that_is_told_to_stop_fails_no_call,
    a_slow_call_holds_up_no_other,
}

/// A name that no other test has.
fn fresh() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("test {}", COUNT.fetch_add(1, Ordering::SeqCst))
}

fn node(nid: &str) -> NodeTarget {
    NodeTarget::Node(Nid::from(nid))
}

async fn a_call_has_the_response_of_the_node_that_was_meant(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    for (app, to) in [(&a, "b"), (&a, "a"), (&b, "a")] {
        assert_eq!(call(app, &ECHO, node(to), "hi").await.unwrap(), format!("hi at {to}"));
    }
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(call(&a, &ECHO, NodeTarget::Any, "hi").await.unwrap());
    }
    answers.sort();
    assert_eq!(answers, ["hi at a", "hi at a", "hi at b", "hi at b"]);
    a.stop().await;
    b.stop().await;
}

async fn a_refusal_comes_with_code_and_message(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    for nid in ["a", "b"] {
        for (spec, expected) in [
            (&REFUSE, (Code(42), "not today")),
            (&PANIC, (Code::INTERNAL, "internal error")),
            (&NOBODYS, (Code::NOT_FOUND, "no handler for route 77")),
        ] {
            match call(&a, spec, node(nid), "").await.unwrap_err() {
                NodeCallError::Refused { nid: by, code, message } => {
                    assert_eq!((by.as_str(), (code, message.as_str())), (nid, expected));
                }
                error => panic!("{error:?}"),
            }
        }
    }
    for (to, expected) in
        [("b", (Code(42), "not today")), ("c", (Code::NOT_FOUND, "no node serves this at the moment"))]
    {
        match call(&a, &RELAY, node("a"), to).await.unwrap_err() {
            NodeCallError::Refused { code, message, .. } => assert_eq!((code, message.as_str()), expected),
            error => panic!("{error:?}"),
        }
    }
    let error = call(&a, &NOBODYS, NodeTarget::Any, "").await.unwrap_err();
    assert!(matches!(error, NodeCallError::Unsent(ClusterError::NoRoute(RouteId(77)))), "{error:?}");
    let error = call(&a, &ECHO, node("c"), "").await.unwrap_err();
    assert!(matches!(error, NodeCallError::Unsent(ClusterError::NoNode(_))), "{error:?}");
    a.stop().await;
    b.stop().await;
}

async fn a_late_answer_is_neither_taken_for_another_nor_for_a_request(world: World) {
    static UNASKED: AtomicBool = AtomicBool::new(false);
    let unasked = |_: Context, _: Bytes| async {
        UNASKED.store(true, Ordering::SeqCst);
        Ok(due::Reply::none())
    };
    let a = world.node("a", lobby().default_handler(unasked)).await;
    let b = world.node("b", lobby()).await;
    meet(&a, "b").await;
    let test = fresh();
    let gate = GATE.of(&test);
    let caller = NodeCaller::from(a.cluster().unwrap());
    let after = Duration::from_millis(50);
    let begun = Instant::now();
    let error = caller.call::<_, RawBody>(&WAIT, node("b"), &raw(&*test), Some(after)).await.unwrap_err();
    assert!(begun.elapsed() >= after);
    assert!(matches!(error, NodeCallError::Timeout { after: waited } if waited == after), "{error:?}");
    gate.begun.notified().await;
    gate.go.add_permits(1);
    // The answer of the first is before that of the second, on the way and at the goal.
    let second = tokio::spawn({
        let (caller, test) = (caller.clone(), test.clone());
        async move { caller.call::<_, RawBody>(&WAIT, Nid::from("b"), &raw(test), None).await }
    });
    gate.begun.notified().await;
    gate.go.add_permits(1);
    assert_eq!(text(&timeout(PATIENCE, second).await.unwrap().unwrap().unwrap()), "went");
    assert_eq!(gate.handled.load(Ordering::SeqCst), 2, "node a has not taken the answer for a request");
    a.stop().await;
    b.stop().await;
    assert!(!UNASKED.load(Ordering::SeqCst));
}

async fn a_call_that_is_dropped_is_forgotten(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    let test = fresh();
    let gate = GATE.of(&test);
    let caller = NodeCaller::from(a.cluster().unwrap());
    {
        let body = raw(&*test);
        let mut dropped = std::pin::pin!(caller.call::<_, RawBody>(&WAIT, Nid::from("b"), &body, None));
        tokio::select! {
            _ = &mut dropped => panic!("nobody lets it go"),
            () = gate.begun.notified() => {}
        }
    }
    gate.go.add_permits(1);
    assert_eq!(call(&a, &ECHO, node("b"), "next").await.unwrap(), "next at b");
    a.stop().await;
    b.stop().await;
    assert_eq!(gate.go.available_permits(), 0, "it was handled to its end");
}

async fn nodes_of_one_name_call_each_other_and_themselves_on_one_route(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    let (there, back) = tokio::join!(call(&a, &PING, node("b"), "9"), call(&b, &PING, node("a"), "9"));
    assert_eq!((there.unwrap(), back.unwrap()), ("bababababa".to_owned(), "ababababab".to_owned()));
    assert_eq!(call(&a, &PING, node("a"), "1").await.unwrap(), "ab");
    a.stop().await;
    b.stop().await;
}

async fn a_user_is_found_where_he_is_bound(world: World) {
    let [a, b, c] = nodes(&world, ["a", "b", "c"]).await;
    let (li, wu) = (Uid(7), Uid(8));
    let cluster = b.cluster().unwrap();
    for nid in ["b", "c", "a"] {
        // Node a remembers the last place, and is told better.
        cluster.bind_node(li, "lobby", &Nid::from(nid)).await.unwrap();
        assert_eq!(call(&a, &WHERE, li, "").await.unwrap(), format!("7 at {nid}"));
    }
    assert_eq!(call(&b, &WHERE, NodeTarget::NodeFor(Nid::from("a"), li), "").await.unwrap(), "7 at a");
    let error = call(&b, &WHERE, NodeTarget::NodeFor(Nid::from("c"), li), "").await.unwrap_err();
    assert!(matches!(error, NodeCallError::Unsent(ClusterError::NotBound { uid: Some(Uid(7)), .. })), "{error:?}");
    for (to, who) in [(NodeTarget::User(wu), Some(wu)), (NodeTarget::Any, None)] {
        match call(&a, &WHERE, to, "").await.unwrap_err() {
            NodeCallError::Unsent(ClusterError::NotBound { uid, name }) => assert_eq!((uid, &*name), (who, "lobby")),
            error => panic!("{error:?}"),
        }
    }
    let error = call(&a, &WHERE, Uid(0), "").await.unwrap_err();
    assert!(matches!(error, NodeCallError::Unsent(ClusterError::BadUid(Uid(0)))), "{error:?}");
    for app in [a, b, c] {
        app.stop().await;
    }
}

async fn a_thousand_calls_are_answered_once_each(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    let mut calls = JoinSet::new();
    for number in 0..1000 {
        for (app, to) in [(&a, "b"), (&b, "a")] {
            let caller = NodeCaller::from(app.cluster().unwrap());
            calls.spawn(async move {
                let body = raw(format!("{number}"));
                let answer = caller.call::<_, RawBody>(&ECHO, Nid::from(to), &body, Some(PATIENCE)).await.unwrap();
                assert_eq!(text(&answer), format!("{number} at {to}"));
            });
        }
    }
    assert_eq!(calls.join_all().await.len(), 2000);
    a.stop().await;
    b.stop().await;
}

async fn a_node_that_is_told_to_stop_fails_no_call(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    let test = fresh();
    let gate = GATE.of(&test);
    let caller = NodeCaller::from(a.cluster().unwrap());
    let waiting = tokio::spawn({
        let (caller, test) = (caller.clone(), test.clone());
        async move { caller.call::<_, RawBody>(&WAIT, Nid::from("b"), &raw(test), None).await }
    });
    gate.begun.notified().await;
    let stopped = tokio::spawn(b.stop());
    gate.go.add_permits(1);
    assert_eq!(text(&timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap()), "went");
    // Whatever step of the stop it meets: another node has it.
    while !stopped.is_finished() {
        let answer = caller.call::<_, RawBody>(&ECHO, NodeTarget::Any, &raw("hi"), Some(PATIENCE)).await.unwrap();
        assert!(["hi at a", "hi at b"].contains(&&*text(&answer)));
    }
    stopped.await.unwrap();
    a.stop().await;
}

async fn a_slow_call_holds_up_no_other(world: World) {
    let [a, b] = nodes(&world, ["a", "b"]).await;
    let test = fresh();
    let gate = GATE.of(&test);
    let caller = NodeCaller::from(a.cluster().unwrap());
    let slow = tokio::spawn(async move { caller.call::<_, RawBody>(&WAIT, Nid::from("b"), &raw(test), None).await });
    gate.begun.notified().await;
    assert_eq!(call(&a, &ECHO, node("b"), "quick").await.unwrap(), "quick at b");
    gate.go.add_permits(1);
    assert_eq!(text(&slow.await.unwrap().unwrap()), "went");
    a.stop().await;
    b.stop().await;
}
