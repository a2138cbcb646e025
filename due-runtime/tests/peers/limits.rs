//! How many calls may wait, and what they need.

use due::codec::RawBody;
use due::packet::{Format, SeqWidth};
use due::{App, Backends, Codec, Nid, NodeCallError, NodeCaller, RunningApp};
use tokio::task::JoinSet;

use crate::{ECHO, GATE, WAIT, call, lobby, raw, text};

async fn node_with(width: SeqWidth) -> RunningApp {
    let backends = Backends::memory().codec(Codec::Json).format(Format::new().seq_width(width));
    App::new().backends(backends).node(lobby().id("a").build().unwrap()).start().await.unwrap()
}

#[tokio::test]
async fn without_seqs_there_are_no_calls() {
    let app = node_with(SeqWidth::Zero).await;
    let error = call(&app, &ECHO, Nid::from("a"), "").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "calls between nodes need seqs, and `seqBytes` of the packet format is 0: set it to 2 or 4 in all processes"
    );
    app.stop().await;
}

#[tokio::test]
async fn seqs_of_one_byte_let_127_calls_wait_and_those_that_are_dropped_make_room() {
    let app = node_with(SeqWidth::One).await;
    let gate = GATE.of("narrow");
    let caller = NodeCaller::from(app.cluster().unwrap());
    let mut calls = JoinSet::new();
    for _ in 0..127 {
        let caller = caller.clone();
        calls.spawn(async move { caller.call::<_, RawBody>(&WAIT, Nid::from("a"), &raw("narrow"), None).await });
        gate.begun.notified().await;
    }
    for _ in 0..3 {
        let error = call(&app, &ECHO, Nid::from("a"), "").await.unwrap_err();
        assert!(matches!(error, NodeCallError::Busy { limit: 127 }), "{error:?}");
    }
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    for number in 0..500 {
        let answer = call(&app, &ECHO, Nid::from("a"), &number.to_string()).await.unwrap();
        assert_eq!(answer, format!("{number} at a"));
    }
    // Late answers, which have numbers of their own, meet nobody.
    gate.go.add_permits(127);
    assert_eq!(call(&app, &ECHO, Nid::from("a"), "after").await.unwrap(), "after at a");
    app.stop().await;
    assert_eq!(text(&raw("")), "");
}
