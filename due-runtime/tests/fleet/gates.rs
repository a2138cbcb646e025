//! Gates whose port is taken over by others, and gates that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use due::codec::RawBody;
use due::{CallError, Client, RouteId};
use libtest_mimic::Trial;
use tokio_util::sync::CancellationToken;

use crate::fleet::{ECHO, Handled, LOGIN, PLAY};
use crate::load::{Game, Load, Tally};
use crate::story;
use crate::support::free_port;
use crate::support::redis::until;
use crate::world::World;

const PLAYERS: usize = 8;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
const STATEFUL: Game = Game { route: PLAY, login: Some(LOGIN), pace: Duration::from_millis(4) };

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("gates_that_follow_each_other_on_one_port_lose_nothing", || restart(STATELESS)),
        story("users_who_are_sent_from_gate_to_gate_lose_nothing", || restart(STATEFUL)),
        story("players_of_a_gate_that_is_killed_go_on_at_another_one", kill),
    ]
}

async fn restart(game: Game) {
    const ROUNDS: usize = 4;
    let world = World::on_etcd();
    let node = world.node("n1");
    let [tcp, ws] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let mut gate = world.gate_at("g0", &tcp, &ws);
    let urls = gate.addresses().to_vec();
    serves(&urls[0]).await;
    let load = Load::start(PLAYERS, urls.clone(), game);
    let knocks = Knocks::start(&urls);
    for round in 1..=ROUNDS {
        load.answers(50).await;
        let next = world.gate_at(&format!("g{round}"), &tcp, &ws);
        assert_eq!(next.addresses(), urls);
        let mut old = std::mem::replace(&mut gate, next);
        old.terminate();
        let (status, took) = old.ended().await;
        assert!(status.success(), "{}: {status}", old.id());
        eprintln!("round {round}: {} has stopped within {took:?}", old.id());
        assert!(took < Duration::from_secs(8), "clients go by themselves: {took:?}");
    }
    load.answers(50).await;
    let knocks = knocks.stop().await;
    let tally = load.stop().await;
    let handled = Handled::by([&node]);
    eprintln!("{tally:?}; {knocks} further connections");
    let expected = Tally {
        sent: tally.sent,
        answered: tally.sent,
        connections: tally.connections,
        sent_off: tally.connections - PLAYERS as u64,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    // A player may meet the old gate once more while both accept.
    let moves = ROUNDS as u64 * PLAYERS as u64;
    assert!((moves..=3 * moves).contains(&tally.sent_off), "{tally:?}");
    assert_eq!((handled.twice, handled.out_of_order), (0, 0));
    assert!(knocks > 0);
}

async fn kill() {
    let world = World::on_etcd();
    let node = world.node("n1");
    let (mut doomed, other) = (world.gate("g1"), world.gate("g2"));
    let urls = vec![doomed.addresses()[0].clone(), other.addresses()[0].clone()];
    for url in &urls {
        serves(url).await;
    }
    let load = Load::start(PLAYERS, urls, STATEFUL);
    load.answers(100).await;
    // Who has looked whether they serve has left.
    until(async || node.departures().len() == 2).await;
    doomed.kill();
    load.answers(100).await;
    // Its sessions end all the same, and their users are known to play on.
    until(async || node.departures().len() >= 2 + PLAYERS / 2).await;
    let departures = node.departures();
    assert_eq!(departures[2..], vec!["0 g1".to_owned(); PLAYERS / 2]);
    let tally = load.stop().await;
    let handled = Handled::by([&node]);
    eprintln!("{tally:?}, {} handled", handled.requests.len());
    // The end of the connection is all that a client hears of a gate that dies.
    let expected = Tally {
        sent: tally.sent,
        answered: tally.sent - tally.cut,
        cut: tally.cut,
        connections: (PLAYERS + PLAYERS / 2) as u64,
        unconnected: tally.unconnected,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert!((1..=16 * PLAYERS as u64).contains(&tally.cut), "{tally:?}");
    assert_eq!((handled.twice, handled.out_of_order), (0, 0));
}

/// Waits until the gate behind this address knows a node.
async fn serves(url: &str) {
    let client = Client::connect(url).await.unwrap();
    until(async || echo(&client).await.is_ok()).await;
    client.close().await;
}

async fn echo(client: &Client) -> Result<RawBody, CallError> {
    client.request(RouteId(ECHO), &RawBody("0 0 0".into())).await
}

/// Clients who connect, ask once and leave, one after another: none is refused or reset.
struct Knocks {
    count: Arc<AtomicU64>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Knocks {
    fn start(urls: &[String]) -> Self {
        let (count, stop, mut tasks) =
            (Arc::<AtomicU64>::default(), CancellationToken::new(), tokio::task::JoinSet::new());
        for url in urls.iter().cycle().take(4) {
            let (url, count, stop) = (url.clone(), Arc::clone(&count), stop.clone());
            tasks.spawn(async move {
                while !stop.is_cancelled() {
                    let client = Client::connect(&url).await.expect("somebody accepts");
                    match echo(&client).await {
                        Ok(_) => {}
                        // It has met the old gate in its last moments.
                        Err(CallError::GoingAway) => {}
                        Err(error) => panic!("{error:?} at {url}"),
                    }
                    client.close().await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { count, stop, tasks }
    }

    async fn stop(mut self) -> u64 {
        self.stop.cancel();
        while let Some(knock) = self.tasks.join_next().await {
            knock.unwrap();
        }
        self.count.load(Ordering::Relaxed)
    }
}
