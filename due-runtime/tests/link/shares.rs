//! Which of several nodes gets the messages of a client.

use std::collections::BTreeMap;

use due::codec::RawBody;
use due::{Context, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::world::{World, raw};

/// More than may be without an answer at once.
const REQUESTS: u16 = 168;

static GO: Semaphore = Semaphore::const_new(0);

#[due::route(31)]
async fn name(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    GO.acquire().await?.forget();
    Ok(raw(ctx.nid().as_str().to_owned()))
}

#[tokio::test]
async fn nodes_take_turns_also_when_requests_have_to_wait() {
    let world = World::tcp();
    let nodes = [
        world.node("n1", Node::builder().serve(due::routes![name])).await,
        world.node("n2", Node::builder().serve(due::routes![name])).await,
    ];
    let gate = world.gate("g1").await;
    let (_, addr) = gate.addresses().next().unwrap().split_once("://").unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    for seq in 1..=REQUESTS {
        let packet = [&[0, 0, 0, 7, 0, 0, 31][..], &seq.to_be_bytes(), b"hi"].concat();
        client.write_all(&packet).await.unwrap();
    }
    let mut answers = BTreeMap::<String, u16>::new();
    for _ in 1..=REQUESTS {
        GO.add_permits(1);
        let mut answer = [0; 11];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..7], [0, 0, 0, 7, 0, 0, 31]);
        *answers.entry(String::from_utf8_lossy(&answer[9..]).into_owned()).or_default() += 1;
    }
    assert_eq!(answers, BTreeMap::from([("n1".to_owned(), REQUESTS / 2), ("n2".to_owned(), REQUESTS / 2)]));
    drop(client);
    gate.stop().await;
    for node in nodes {
        node.stop().await;
    }
}
