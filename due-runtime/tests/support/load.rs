//! Players who ask all the time, and count what becomes of each request.
// Every suite uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::{CallError, Client, Disconnect, RouteId};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Requests of one player that may be under way at a time.
pub(crate) const WINDOW: usize = 16;
/// How long an answer may take before the request counts as lost: longer than anything that a server waits for.
const LATE: Duration = Duration::from_secs(90);
/// How long states are awaited on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of requests. Each that was sent is exactly one of answered, refused, cut and lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests that were sent, without logins.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// By code.
    pub(crate) refused: BTreeMap<i32, u64>,
    /// The connection ended before the answer.
    pub(crate) cut: u64,
    /// Nothing came.
    pub(crate) lost: u64,
    /// Answers to requests that had one, or that are not the request's.
    pub(crate) doubled: u64,
    /// Connections that were made.
    pub(crate) connections: u64,
    /// Attempts to connect that failed.
    pub(crate) unconnected: u64,
    /// Connections that ended because the gate said that it goes away.
    pub(crate) sent_off: u64,
}

impl Tally {
    pub(crate) fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (code, count) in &other.refused {
            *self.refused.entry(*code).or_default() += count;
        }
        for (sum, part) in [
            (&mut self.sent, other.sent),
            (&mut self.answered, other.answered),
            (&mut self.cut, other.cut),
            (&mut self.lost, other.lost),
            (&mut self.doubled, other.doubled),
            (&mut self.connections, other.connections),
            (&mut self.unconnected, other.unconnected),
            (&mut self.sent_off, other.sent_off),
        ] {
            *sum += part;
        }
    }
}

/// What players do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Game {
    /// The route that they ask on; the body `player connection number` comes back.
    pub(crate) route: i32,
    /// The route on which they log in first, and again when they are refused: the body is the player's number.
    pub(crate) login: Option<i32>,
    /// Between two requests of one player.
    pub(crate) pace: Duration,
}

/// Players at work.
pub(crate) struct Load {
    players: JoinSet<Tally>,
    answered: Arc<[AtomicU64]>,
    refused: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Load {
    /// Players `1..=players` connect to one of these addresses, and to the next one when a connection ends.
    pub(crate) fn start(players: usize, addresses: Vec<String>, game: Game) -> Self {
        Self::start_behind(0, players, addresses, game)
    }

    /// The same for those who come after so many others.
    pub(crate) fn start_behind(others: usize, players: usize, addresses: Vec<String>, game: Game) -> Self {
        let answered: Arc<[AtomicU64]> = (0..players).map(|_| AtomicU64::new(0)).collect();
        let refused: Arc<AtomicU64> = Arc::default();
        let stop = CancellationToken::new();
        let addresses: Arc<[String]> = addresses.into();
        let mut tasks = JoinSet::new();
        for index in 0..players {
            let player = Player {
                index,
                number: others + index + 1,
                addresses: Arc::clone(&addresses),
                game,
                tally: Arc::default(),
                answered: Arc::clone(&answered),
                refused: Arc::clone(&refused),
                stop: stop.clone(),
            };
            tasks.spawn(player.play());
        }
        Self { players: tasks, answered, refused, stop }
    }

    /// Waits until every player has had this many more answers.
    pub(crate) async fn answers(&self, more: u64) {
        let goals: Vec<u64> = self.answered.iter().map(|answered| answered.load(Ordering::Relaxed) + more).collect();
        let reach = async {
            while self.answered.iter().zip(&goals).any(|(answered, goal)| answered.load(Ordering::Relaxed) < *goal) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, reach).await.expect("all players are answered");
    }

    /// Waits for this many more refusals.
    pub(crate) async fn refusals(&self, more: u64) {
        let goal = self.refused.load(Ordering::Relaxed) + more;
        let reach = async {
            while self.refused.load(Ordering::Relaxed) < goal {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, reach).await.expect("requests are refused");
    }

    /// Waits for what is under way, and sums up.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.cancel();
        let mut sum = Tally::default();
        for tally in timeout(PATIENCE, self.players.join_all()).await.expect("all players end") {
            sum.add(&tally);
        }
        sum
    }
}

struct Player {
    index: usize,
    number: usize,
    addresses: Arc<[String]>,
    game: Game,
    tally: Arc<Mutex<Tally>>,
    answered: Arc<[AtomicU64]>,
    refused: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Player {
    async fn play(self) -> Tally {
        // Old connections, which wait for their last answers.
        let mut leaving = JoinSet::new();
        let mut connection = 0;
        while !self.stop.is_cancelled() {
            let address = &self.addresses[(self.number + connection) % self.addresses.len()];
            connection += 1;
            let client = Client::builder().timeout(LATE).push_buffer(4096).connect(address).await;
            let Ok(client) = client else {
                self.note(|tally| tally.unconnected += 1);
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            self.note(|tally| tally.connections += 1);
            let calls = self.ask_all(&client, connection).await;
            leaving.spawn(self.see_off(client, calls, self.stop.is_cancelled()));
        }
        while let Some(left) = leaving.join_next().await {
            left.unwrap();
        }
        self.tally.lock().unwrap().clone()
    }

    /// Asks until the connection takes nothing more, or the game is over.
    async fn ask_all(&self, client: &Client, connection: usize) -> JoinSet<()> {
        let mut unasked = [client.listen(RouteId(self.game.route)), client.listen(RouteId::STATUS)];
        let tally = Arc::clone(&self.tally);
        let doubled = async {
            let [one, other] = &mut unasked;
            loop {
                let came = tokio::select! { came = one.next() => came, came = other.next() => came };
                match came {
                    Some(came) => {
                        eprintln!("unasked: {came:?}");
                        tally.lock().unwrap().doubled += 1;
                    }
                    None => return,
                }
            }
        };
        let mut calls = JoinSet::new();
        let over = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = client.going_away() => {}
            }
        };
        let ask = async {
            let login_due = Arc::new(std::sync::atomic::AtomicBool::new(self.game.login.is_some()));
            for number in 1_u64.. {
                while calls.len() >= WINDOW {
                    calls.join_next().await;
                }
                while calls.try_join_next().is_some() {}
                if login_due.load(Ordering::Relaxed) {
                    // What is under way belongs to the time before.
                    while calls.join_next().await.is_some() {}
                    if !self.login(client).await {
                        continue;
                    }
                    login_due.store(false, Ordering::Relaxed);
                }
                self.ask(client, format!("{} {connection} {number}", self.number), &mut calls, &login_due).await;
                sleep(self.game.pace).await;
            }
        };
        tokio::select! {
            () = ask => {}
            () = over => {}
            () = doubled => {}
        }
        calls
    }

    /// Sends before it returns; the answer comes to a task.
    async fn ask(
        &self,
        client: &Client,
        text: String,
        calls: &mut JoinSet<()>,
        login_due: &Arc<std::sync::atomic::AtomicBool>,
    ) {
        let (client, tally, answered) = (client.clone(), Arc::clone(&self.tally), Arc::clone(&self.answered));
        let (route, index, login_due) = (RouteId(self.game.route), self.index, Arc::clone(login_due));
        let refused = Arc::clone(&self.refused);
        let body = RawBody(Bytes::from(text.clone()));
        let mut call = Box::pin(async move {
            let outcome = client.request::<_, RawBody>(route, &body).await;
            let mut tally = tally.lock().unwrap();
            tally.sent += 1;
            match outcome {
                Ok(RawBody(answer)) if answer == text => {
                    tally.answered += 1;
                    answered[index].fetch_add(1, Ordering::Relaxed);
                }
                Ok(other) => {
                    eprintln!("{text}: {other:?} came instead");
                    tally.doubled += 1;
                }
                Err(CallError::Status(status)) => {
                    *tally.refused.entry(status.code).or_default() += 1;
                    refused.fetch_add(1, Ordering::Relaxed);
                    login_due.store(true, Ordering::Relaxed);
                }
                Err(CallError::GoingAway) => tally.sent -= 1,
                Err(CallError::Closed) => tally.cut += 1,
                Err(CallError::Timeout { .. }) => tally.lost += 1,
                Err(error) => panic!("{error:?}"),
            }
        });
        // The first poll sends, so that requests leave in the order of their numbers.
        if poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await.is_pending() {
            calls.spawn(call);
        }
    }

    /// Whether the player is logged in.
    async fn login(&self, client: &Client) -> bool {
        let Some(route) = self.game.login else { return true };
        let uid = RawBody(Bytes::from(self.number.to_string()));
        let is_in = client.request::<_, RawBody>(RouteId(route), &uid).await.is_ok();
        if !is_in {
            sleep(Duration::from_millis(20)).await;
        }
        is_in
    }

    /// Waits for the last answers of a connection, and for its end, which comes by itself unless the game is over.
    fn see_off(
        &self,
        client: Client,
        mut calls: JoinSet<()>,
        is_over: bool,
    ) -> impl Future<Output = ()> + Send + use<> {
        let tally = Arc::clone(&self.tally);
        async move {
            while let Some(call) = calls.join_next().await {
                call.unwrap();
            }
            let end = if is_over { client.close().await } else { client.closed().await };
            if let Disconnect::GoingAway(_) = end {
                tally.lock().unwrap().sent_off += 1;
            }
        }
    }

    fn note(&self, note: impl FnOnce(&mut Tally)) {
        note(&mut self.tally.lock().unwrap());
    }
}
