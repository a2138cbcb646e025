//! The bytes of calls: to nodes of due v2.5.8, which know no calls, and from them.

use due::registry::Kind;
use due::{Nid, NodeCallError};

use crate::raw::{Fake, Peer};
use crate::world::World;
use crate::{ECHO, asker, call, lobby};

/// Node N1, seq 1.
const HELLO: &str = "0000000d 00 01 0000000000000001 02 4e31";
const WELCOME: &str = "0000000c 00 01 0000000000000001 0000";

#[tokio::test]
async fn a_call_is_a_message_and_so_is_its_answer() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let app = asker(&world).await;
    let peer = async {
        let mut node = fake.greet(2, "a").await;
        // Number 1 where a session would be, no user, route 1, seq 1.
        node.expect("00000025 00 0f 0000000000000001 0000000000000001 0000000000000000 0000000700000100016869").await;
        node.send("0000000c 00 0f 0000000000000001 0000").await;
        let mut back = Peer::dial(&world, Kind::Node, "a").await;
        back.asks(HELLO, WELCOME).await;
        // As Go answers: same route, same seq, no session.
        back.asks(
            "00000025 00 0f 0000000000000005 0000000000000000 0000000000000000 000000070000010001796f",
            "0000000c 00 0f 0000000000000005 0000",
        )
        .await;
        // The next call of the same node has other numbers; this answer names the call.
        node.expect("00000025 00 0f 0000000000000002 0000000000000002 0000000000000000 0000000700000100026869").await;
        back.send("00000025 00 0f 0000000000000000 fffffffffffffffe 0000000000000000 000000070000010002796f").await;
        // A status on route -1 with the seq: {"code":9}.
        node.expect("00000025 00 0f 0000000000000003 0000000000000003 0000000000000000 0000000700000100036869").await;
        back.send(
            "0000002d 00 0f 0000000000000000 fffffffffffffffd 0000000000000000 0000000f00ffff0003 7b22636f6465223a397d",
        )
        .await;
        (node, back)
    };
    let calls = async {
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(call(&app, &ECHO, Nid::from("N1"), "hi").await);
        }
        answers
    };
    let (_peers, answers) = tokio::join!(peer, calls);
    let [first, second, third] = <[_; 3]>::try_from(answers).unwrap();
    assert_eq!((first.unwrap(), second.unwrap()), ("yo".to_owned(), "yo".to_owned()));
    assert!(matches!(third, Err(NodeCallError::Refused { code: due::Code(9), .. })), "{third:?}");
    app.stop().await;
}

#[tokio::test]
async fn who_calls_is_told_everything_and_who_does_not_is_told_answers_only() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let backends = world.backends_with(due::TcpLink::new().addr("127.0.0.1:0").connections(1));
    let app = due::App::new().backends(backends).node(lobby().id("b").build().unwrap()).start().await.unwrap();
    let mut node = Peer::dial(&world, Kind::Node, "b").await;
    node.asks(HELLO, WELCOME).await;
    // Call 7 of node N1, route 1, seq 2: its answer has the same numbers, the first with a minus. Both serve the route.
    node.send("00000025 00 0f 0000000000000000 0000000000000007 0000000000000000 0000000700000100026869").await;
    let mut back = fake.greet(2, "b").await;
    // "hi at b"
    back.expect("0000002a 00 0f 0000000000000000 fffffffffffffff9 0000000000000000 0000000c00000100026869206174 2062")
        .await;
    // Route 3 refuses: a status on route -1.
    node.send("00000025 00 0f 0000000000000000 0000000000000008 0000000000000000 0000000700000300036869").await;
    let status = back.frame().await;
    assert_eq!(status[4..30], crate::raw::hex("00 0f 0000000000000000 fffffffffffffff8 0000000000000000"));
    assert_eq!(status[34..39], crate::raw::hex("00 ffff 0003"));
    assert_eq!(&status[39..], br#"{"route":3,"seq":3,"code":42,"message":"not today"}"#);
    // The same from a node that does not call: no status, and no answer on a route that it serves as well.
    node.send("00000025 00 0f 0000000000000000 0000000000000000 0000000000000000 0000000700000300046869").await;
    node.send("00000025 00 0f 0000000000000000 0000000000000000 0000000000000000 0000000700000100056869").await;
    node.is_alive().await;
    // What comes next is the answer to the next call.
    node.send("00000025 00 0f 0000000000000000 0000000000000009 0000000000000000 0000000700000100066869").await;
    back.expect("0000002a 00 0f 0000000000000000 fffffffffffffff7 0000000000000000 0000000c00000100066869206174 2062")
        .await;
    app.stop().await;
}
