//! A gate that stops sends its clients off, and serves them until they have gone.

use std::time::Duration;

use due::codec::RawBody;
use due::transport::mem;
use due::{App, CallError, Client, Code, Context, Disconnect, Gate, Node, RouteId, RunningApp, Seq};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const LINGER: Duration = Duration::from_secs(10);

static GO: Semaphore = Semaphore::const_new(0);

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn wait(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    GO.acquire().await?.forget();
    Ok(body)
}

async fn start() -> (RunningApp, mem::MemConnector) {
    let (transport, connector) = mem::listener();
    let gate = Gate::builder().transport(transport).linger(LINGER).heartbeat_interval(Duration::ZERO);
    let node = Node::builder().serve(due::routes![echo, wait]).build().unwrap();
    (App::new().gate(gate).node(node).start().await.unwrap(), connector)
}

async fn client(gate: &mem::MemConnector) -> Client {
    Client::builder().heartbeat(Duration::ZERO).connect_mem(gate).await.unwrap()
}

async fn ask(client: &Client, route: i32) -> Result<RawBody, CallError> {
    client.request(RouteId(route), &RawBody("hi".into())).await
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_sent_off_has_its_answers_and_sends_nothing_more() {
    let (app, gate) = start().await;
    let (idle, busy) = (client(&gate).await, client(&gate).await);
    for client in [&idle, &busy] {
        assert_eq!(ask(client, 1).await.unwrap(), RawBody("hi".into()));
    }
    let waits = tokio::spawn({
        let busy = busy.clone();
        async move { ask(&busy, 2).await }
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let stop = tokio::spawn(app.stop());
    busy.going_away().await;
    assert!(matches!(ask(&busy, 1).await, Err(CallError::GoingAway)));
    assert!(matches!(busy.send_packet(RouteId(1), Seq::NONE, b"").await, Err(CallError::GoingAway)));
    let Disconnect::GoingAway(status) = idle.closed().await else { panic!("{:?}", idle.closed().await) };
    assert_eq!((status.code(), status.route, status.seq), (Code::GOING_AWAY, 0, 0));
    assert!(!waits.is_finished() && !stop.is_finished());
    GO.add_permits(1);
    assert_eq!(waits.await.unwrap().unwrap(), RawBody("hi".into()));
    assert!(matches!(busy.closed().await, Disconnect::GoingAway(_)));
    assert!(matches!(ask(&busy, 1).await, Err(CallError::GoingAway)));
    stop.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// As one that does not know what it was told.
#[tokio::test(start_paused = true)]
async fn a_client_that_stays_is_served_until_the_time_is_over() {
    let (app, gate) = start().await;
    // It reads another codec, and so not that the gate goes away.
    let stubborn =
        Client::builder().codec(due::Codec::Json).heartbeat(Duration::ZERO).connect_mem(&gate).await.unwrap();
    assert_eq!(ask(&stubborn, 1).await.unwrap(), RawBody("hi".into()));
    let begun = Instant::now();
    let stop = tokio::spawn(app.stop());
    let mut answered = 0;
    while ask(&stubborn, 1).await.is_ok() {
        answered += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.await.unwrap();
    assert!((9..=11).contains(&answered), "{answered}");
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    assert!(matches!(stubborn.closed().await, Disconnect::ByPeer));
}
