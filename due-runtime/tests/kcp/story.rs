//! Gate, node and client: what tcp and ws do, kcp does.

use bytes::Bytes;
use due::codec::RawBody;
use due::{Client, ConnectError, Disconnect, Gate};
use tokio::time::timeout;

use crate::world::{ECHO, GO_ON, LEAVE, NOTIFY, Note, PATIENCE, WAIT, WAITING, World, echoes};

fn body(bytes: &'static [u8]) -> RawBody {
    RawBody(Bytes::from_static(bytes))
}

#[tokio::test]
async fn requests_are_answered_and_pushes_come() {
    let world = World::start().await;
    let client = world.client().await;
    world.until(1, 0).await;
    for len in [0, 1, 1376, 5000] {
        echoes(&client, vec![7; len]).await;
    }
    let mut notes = client.pushes::<Note>();
    let _: RawBody = client.request(NOTIFY, &body(b"both")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(notes.next().await.unwrap().unwrap(), Note(Bytes::from_static(b"both")));
    }
    let cluster = world.app.cluster().unwrap();
    assert_eq!(cluster.stat(due::Audience::Sessions).await.delivered, 1);
    client.close().await;
    world.until(1, 1).await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_disconnected_client_has_everything_and_knows() {
    let world = World::start().await;
    let client = world.client().await;
    let mut notes = client.pushes::<Note>();
    // Whether its answer comes is up to the close.
    let _ = client.request::<_, RawBody>(LEAVE, &body(b"")).await;
    for number in 0..20 {
        assert_eq!(notes.next().await.unwrap().unwrap(), Note(vec![number; 4000].into()));
    }
    assert!(notes.next().await.is_none());
    assert!(matches!(client.closed().await, Disconnect::ByPeer));
    world.until(1, 1).await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_was_read_and_tells_the_clients() {
    let world = World::start().await;
    let client = world.client().await;
    let waiting = client.clone();
    let answer = tokio::spawn(async move { waiting.request::<_, RawBody>(WAIT, &body(b"slow")).await });
    WAITING.acquire().await.unwrap().forget();
    let addr = world.addr();
    let stop = tokio::spawn(world.app.stop());
    GO_ON.add_permits(1);
    assert_eq!(answer.await.unwrap().unwrap().0, &b"slow"[..]);
    let Disconnect::GoingAway(status) = client.closed().await else { panic!("not told") };
    assert_eq!(status.message, "the gate is stopping");
    timeout(PATIENCE, stop).await.unwrap().unwrap();
    let nobody = Client::connect(&format!("kcp://{addr}")).await.map(drop);
    assert!(matches!(nobody, Err(ConnectError::Io { .. })), "{nobody:?}");
}

#[tokio::test]
async fn the_builder_listens_beside_others() {
    let node = due::Node::builder().build().unwrap();
    let app = due::App::new().gate(Gate::builder().kcp("127.0.0.1:0").kcp("127.0.0.1:0").build()).node(node);
    let app = app.start().await.unwrap();
    for url in app.addresses() {
        let client = Client::connect(url).await.unwrap();
        let status = client.request::<_, RawBody>(ECHO, &body(b"")).await.unwrap_err();
        assert_eq!(status.to_string(), "the server answers not found: no route 1");
        client.close().await;
    }
    app.stop().await;
}
