//! Many clients, random weather and random faults for hours of virtual time, and what must hold all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use due::packet::{Format, Frame};
use due::transport::{Inbound, PacketRead, ReadError};
use due::{Audience, Client, PushExt, Uid};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::game::{ECHO, Game, INTERVAL, LOGIN, Tick, WORK, ask, running};
use crate::sim::{Line, Net, SimRead, Weather};

const CLIENTS: u64 = 30;
const USERS: u64 = 20;
const HOURS: u64 = 2;
const CALL: Duration = Duration::from_secs(10);

/// What was asked, and what became of it.
#[derive(Default)]
struct Ledger {
    sent: u64,
    answered: u64,
    failed: u64,
    /// Packets on the wire by the request that they answer.
    answers: HashMap<Bytes, u32>,
}

/// `DUE_SEED=7 cargo test -p due-runtime --test network soak` repeats a storm, but for the turns that tokio throws
/// dice for itself.
#[test]
fn soak() {
    let seeds = match std::env::var("DUE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1, 2],
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let told = Told(seed);
        runtime.block_on(storm(seed));
        drop(told);
    }
}

/// Tells the seed of a storm that something did not survive.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}

async fn storm(seed: u64) {
    let game = Game::start(seed).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut dice = Dice::new(seed);
    let end = Instant::now() + Duration::from_secs(3600 * HOURS);
    let mut players = JoinSet::new();
    for player in 0..CLIENTS {
        let (nets, ledger) = ([game.net.clone(), game.other.clone()], Arc::clone(&ledger));
        let player = Player { id: player, nets, ledger, dice: dice.fork(), asked: 0 };
        players.spawn(player.play(end));
    }
    while Instant::now() < end {
        sleep(Duration::from_secs(1 + dice.below(600))).await;
        let before = Instant::now();
        let tally = Tick.broadcast(game.cluster(), Audience::Users).await.unwrap();
        assert!(tally.delivered <= 2 * USERS && tally.failed == 0, "once per gate and user: {tally:?}");
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
    while let Some(player) = players.join_next().await {
        player.unwrap();
    }

    // Calls that nobody waited for end as well.
    sleep(CALL).await;
    game.until_empty().await;
    for user in 1..=USERS {
        assert!(!game.is_known(Uid(user as i64)).await, "user {user} has left");
    }
    let ledger = Arc::into_inner(ledger).unwrap().into_inner().unwrap();
    assert_eq!(ledger.answered + ledger.failed, ledger.sent);
    assert!(ledger.answered > ledger.sent / 2 && ledger.failed > 0, "{} of {}", ledger.answered, ledger.sent);
    assert!(ledger.answers.values().all(|times| *times == 1), "something was answered twice");
    assert!(ledger.answered <= ledger.answers.len() as u64);
    let begun = Instant::now();
    game.app.stop().await;
    assert_eq!((begun.elapsed(), running()), (Duration::ZERO, 0));
}

struct Player {
    id: u64,
    nets: [Net; 2],
    ledger: Arc<Mutex<Ledger>>,
    dice: Dice,
    asked: u64,
}

impl Player {
    async fn play(mut self, end: Instant) {
        while Instant::now() < end {
            let weather = self.weather();
            let net = &self.nets[self.dice.below(2) as usize];
            let (read, write, line) = net.connect(&Format::new(), weather).await.unwrap();
            let read = Watched { read, format: Format::new(), ledger: Arc::clone(&self.ledger) };
            let client = Client::builder().heartbeat(INTERVAL).timeout(CALL).over(read, write);
            let user = 1 + self.dice.below(USERS);
            if self.asks(&client, LOGIN, user).await {
                self.stay(&client, &line, end).await;
            }
            // Some just vanish.
            if self.dice.below(2) == 0 {
                client.close().await;
            }
            drop(client);
            self.pause(120).await;
        }
    }

    async fn stay(&mut self, client: &Client, line: &Line, end: Instant) {
        while Instant::now() < end {
            match self.dice.below(40) {
                0 => line.cut(),
                1 => line.up.swallow(),
                2 => line.down.swallow(),
                3 => line.up.stall(),
                4 => line.down.stall(),
                5 => line.up.weather(self.weather()),
                6 => line.down.weather(self.weather()),
                7 => return,
                8..=11 => {
                    line.up.resume();
                    line.down.resume();
                }
                12..=15 => self.burst(client).await,
                16..=20 => drop(self.asks(client, WORK, 3000).await),
                21..=25 => self.pause(300).await,
                _ => drop(self.asks(client, ECHO, 0).await),
            }
            if client.send_packet(due::RouteId(99), due::Seq(0), b"ping").await.is_err() {
                return;
            }
        }
    }

    async fn burst(&mut self, client: &Client) {
        let mut calls = JoinSet::new();
        for _ in 0..self.dice.below(100) {
            let (number, body) = (self.dice.below(50), self.body());
            let (client, ledger) = (client.clone(), Arc::clone(&self.ledger));
            calls.spawn(async move { call(&client, &ledger, WORK, format!("{number}/{body}")).await });
        }
        // Now and then nobody waits for the answers.
        if self.dice.below(4) > 0 {
            while let Some(answered) = calls.join_next().await {
                answered.unwrap();
            }
        } else {
            calls.detach_all();
        }
    }

    async fn asks(&mut self, client: &Client, route: due::RouteId, number: u64) -> bool {
        let body = self.body();
        let number = if route == WORK { self.dice.below(number) } else { number };
        call(client, &self.ledger, route, format!("{number}/{body}")).await
    }

    /// No two requests are alike.
    fn body(&mut self) -> String {
        self.asked += 1;
        format!("{}.{}", self.id, self.asked)
    }

    fn weather(&mut self) -> Weather {
        let delay = Duration::from_millis(self.dice.below(400));
        let jitter = Duration::from_millis(self.dice.below(400));
        let loss = if self.dice.below(4) == 0 { self.dice.below(200) as u32 } else { 0 };
        Weather { delay, jitter, loss }
    }

    async fn pause(&mut self, seconds: u64) {
        sleep(Duration::from_millis(self.dice.below(1000 * seconds))).await;
    }
}

async fn call(client: &Client, ledger: &Mutex<Ledger>, route: due::RouteId, body: String) -> bool {
    ledger.lock().unwrap().sent += 1;
    let answer = ask(client, route, &body).await;
    let mut ledger = ledger.lock().unwrap();
    match &answer {
        Ok(answer) => {
            assert_eq!(*answer, body, "an answer to something else");
            ledger.answered += 1;
        }
        Err(_) => ledger.failed += 1,
    }
    answer.is_ok()
}

/// Notes every answer that reaches a client, whether the client waits for it or not.
struct Watched {
    read: SimRead,
    format: Format,
    ledger: Arc<Mutex<Ledger>>,
}

impl Watched {
    fn note(&self, inbound: &Inbound) {
        let Inbound::Unit(unit) = inbound else { return };
        if let Ok(Frame::Packet(packet)) = self.format.parse(unit.clone())
            && [ECHO, LOGIN, WORK].contains(&packet.route)
        {
            *self.ledger.lock().unwrap().answers.entry(packet.body).or_default() += 1;
        }
    }
}

impl PacketRead for Watched {
    const HALF_CLOSES: bool = SimRead::HALF_CLOSES;

    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        let inbound = self.read.read().await?;
        inbound.inspect(|inbound| self.note(inbound)).map_or(Ok(None), |inbound| Ok(Some(inbound)))
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        let inbound = self.read.buffered()?;
        Some(inbound.inspect(|inbound| self.note(inbound)))
    }
}
