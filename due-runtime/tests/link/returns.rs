//! Messages that nodes give back, or say nothing of: each has one answer, and none overtakes another.

use std::collections::BTreeMap;
use std::time::Duration;

use due::codec::RawBody;
use due::locator::Locator;
use due::registry::Kind;
use due::{App, CallError, Client, Code, Gate, Nid, RouteId, RunningApp, TcpLink, Uid};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::losses::{answer, message};
use crate::raw::{Fake, Peer};
use crate::world::{World, client_with, raw};

const LI: Uid = Uid(1001);
const PLAY: RouteId = RouteId(2);
const BIND: &str = "0000001a 00 02 0000000000000005 0000000000000001 00000000000003e9";
/// Codes of receipts.
const TAKEN: u16 = 0;
const NOT_MINE: u16 = 1;

/// A gate, its only client, who has logged in, and a way for nodes to push to it.
struct Table {
    world: World,
    gate: RunningApp,
    client: Client,
    back: Peer,
}

impl Table {
    /// `queue`: bytes that may wait for one node.
    async fn set(world: World, queue: usize) -> Self {
        let link = TcpLink::new().addr("127.0.0.1:0").connections(1).queue_bytes(queue);
        let gate = Gate::builder().id("g1").tcp("127.0.0.1:0").build();
        let gate = App::new().backends(world.backends_with(link)).gate(gate).start().await.unwrap();
        let client = client_with(&gate, |client| client.timeout(Duration::from_secs(60))).await;
        let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
        loop {
            back.send(BIND).await;
            if back.frame().await.ends_with(&[0]) {
                break;
            }
        }
        Self { world, gate, client, back }
    }

    async fn seat(&mut self, nid: &str) {
        self.world.locator.bind_node(LI, "node", &Nid::from(nid)).await.unwrap();
        // The gate hears of it before it answers.
        for _ in 0..20 {
            self.back.is_alive().await;
        }
    }

    /// Asks with this number as the body; what becomes of it comes to the task. Sent in order: the first poll does it.
    async fn ask(&self, calls: &mut JoinSet<(usize, String)>, number: usize, room: usize) {
        let client = self.client.clone();
        let mut call = Box::pin(async move {
            let body = raw(format!("{number:>room$}"));
            let outcome = match client.request::<_, RawBody>(PLAY, &body).await {
                Ok(answer) if answer.0 == body.0 => "answered".to_owned(),
                Err(CallError::Status(status)) => format!("code {}", status.code().0),
                other => panic!("{number}: {other:?}"),
            };
            (number, outcome)
        });
        let sent = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
        assert!(sent.is_pending());
        calls.spawn(call);
    }

    async fn ask_all(&self, numbers: std::ops::RangeInclusive<usize>, room: usize) -> JoinSet<(usize, String)> {
        let mut calls = JoinSet::new();
        for number in numbers {
            self.ask(&mut calls, number, room).await;
        }
        calls
    }

    async fn answer(&mut self, deliver: &[u8]) {
        self.back.0.write_all(&answer(deliver)).await.unwrap();
    }

    /// Nothing else has come for the client than what its requests have got.
    async fn clear(self) {
        let mut unasked = [self.client.listen(PLAY), self.client.listen(RouteId::STATUS)];
        let Self { gate, client, mut back, .. } = self;
        back.is_alive().await;
        drop(back);
        client.close().await;
        for route in &mut unasked {
            assert!(route.next().await.is_none(), "an answer too many");
        }
        gate.stop().await;
    }
}

/// `code` for a message, or what else fits into its frame.
fn receipt(deliver: &[u8], code: u16) -> Vec<u8> {
    [&[0, 0, 0, 12, 0, 15], &deliver[6..14], &code.to_be_bytes()].concat()
}

async fn say(node: &mut Peer, deliver: &[u8], code: u16) {
    node.0.write_all(&receipt(deliver, code)).await.unwrap();
}

async fn messages(node: &mut Peer, count: usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.push(message(node).await);
    }
    messages
}

/// The number in its body.
fn number(deliver: &[u8]) -> usize {
    String::from_utf8_lossy(&deliver[39..]).trim().parse().unwrap()
}

async fn outcomes(calls: JoinSet<(usize, String)>) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for (_, outcome) in calls.join_all().await {
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

fn code(code: Code) -> String {
    format!("code {}", code.0)
}

/// The gate has no room for all of them; still each has an end, and what went on was in order.
#[tokio::test]
async fn what_a_gate_cannot_keep_until_it_comes_back_is_a_status() {
    const REQUESTS: usize = 120;
    let world = World::tcp();
    let (wrong, right) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    let mut table = Table::set(world, 8 * 1024).await;
    table.seat("N1").await;
    let calls = table.ask_all(1..=REQUESTS, 200).await;
    let mut wrong = wrong.greet(1, "g1").await;
    let asked = messages(&mut wrong, REQUESTS).await;
    table.seat("N2").await;
    for message in &asked {
        say(&mut wrong, message, NOT_MINE).await;
    }
    let mut right = right.greet(1, "g1").await;
    let answers = async {
        let mut kept = Vec::new();
        loop {
            let message = message(&mut right).await;
            say(&mut right, &message, TAKEN).await;
            kept.push(number(&message));
            table.answer(&message).await;
            if kept.last() == Some(&REQUESTS) {
                return kept;
            }
        }
    };
    let (outcomes, kept) = tokio::join!(outcomes(calls), answers);
    // The newest were kept, all of them in their order.
    assert_eq!(kept, (REQUESTS + 1 - kept.len()..=REQUESTS).collect::<Vec<_>>());
    assert!((10..REQUESTS - 10).contains(&kept.len()), "{}", kept.len());
    let expected = [("answered".to_owned(), kept.len()), (code(Code::TOO_MANY_REQUESTS), REQUESTS - kept.len())];
    assert_eq!(outcomes, BTreeMap::from(expected));
    drop((wrong, right));
    table.clear().await;
}

#[tokio::test]
async fn a_node_that_says_nothing_but_answers_is_as_good_as_others() {
    const ROUNDS: usize = 20;
    const REQUESTS: usize = 100;
    let world = World::tcp();
    let node = Fake::node(&world, "N1").await;
    let mut table = Table::set(world, 4 * 1024).await;
    table.seat("N1").await;
    let mut peer = None;
    for round in 0..ROUNDS {
        let calls = table.ask_all(round * REQUESTS + 1..=(round + 1) * REQUESTS, 1).await;
        let peer = match &mut peer {
            Some(peer) => peer,
            None => peer.insert(node.greet(1, "g1").await),
        };
        for _ in 0..REQUESTS {
            let message = message(peer).await;
            table.answer(&message).await;
        }
        assert_eq!(outcomes(calls).await, BTreeMap::from([("answered".to_owned(), REQUESTS)]));
    }
    drop(peer);
    table.clear().await;
}

/// There is no room for its marks either.
#[tokio::test]
async fn what_a_node_says_nothing_of_is_given_up_when_there_is_no_room() {
    const REQUESTS: usize = 120;
    let world = World::tcp();
    let node = Fake::node(&world, "N1").await;
    let mut table = Table::set(world, 1024).await;
    table.seat("N1").await;
    let mut calls = table.ask_all(1..=REQUESTS, 1).await;
    let mut peer = node.greet(1, "g1").await;
    let asked = messages(&mut peer, REQUESTS).await;
    // The oldest, while the connection lives.
    for _ in 0..REQUESTS / 2 {
        let (number, outcome) = calls.join_next().await.unwrap().unwrap();
        assert!(number <= REQUESTS * 9 / 10, "{number}");
        assert_eq!(outcome, code(Code::UNKNOWN));
    }
    // It has come to nothing: nobody hears it twice.
    table.answer(&asked[0]).await;
    drop((peer, node));
    let rest = outcomes(calls).await;
    assert_eq!(rest, BTreeMap::from([(code(Code::UNKNOWN), REQUESTS - REQUESTS / 2)]));
    table.clear().await;
}

#[tokio::test]
async fn a_receipt_that_makes_no_sense_is_a_status_unless_there_is_an_answer() {
    let world = World::tcp();
    let node = Fake::node(&world, "N1").await;
    let mut table = Table::set(world, 1 << 20).await;
    table.seat("N1").await;
    let calls = table.ask_all(1..=3, 1).await;
    let mut peer = node.greet(1, "g1").await;
    let asked = messages(&mut peer, 3).await;
    let another_opcode = [&[0, 0, 0, 12, 0, 16], &asked[0][6..14], &[0, 0]].concat();
    let too_short = [&[0, 0, 0, 11, 0, 15], &asked[1][6..14], &[0]].concat();
    let too_long = [&[0, 0, 0, 13, 0, 15], &asked[2][6..14], &[0, 0, 7]].concat();
    peer.0.write_all(&[another_opcode, too_short, too_long].concat()).await.unwrap();
    table.answer(&asked[2]).await;
    let expected = [("answered".to_owned(), 1), (code(Code::UNKNOWN), 2)];
    assert_eq!(outcomes(calls).await, BTreeMap::from(expected));
    drop(peer);
    table.clear().await;
}

#[tokio::test]
async fn nothing_new_overtakes_what_comes_back() {
    let world = World::tcp();
    let (wrong, right) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    let mut table = Table::set(world, 1 << 20).await;
    table.seat("N1").await;
    let mut calls = table.ask_all(1..=5, 1).await;
    let mut wrong = wrong.greet(1, "g1").await;
    let asked = messages(&mut wrong, 5).await;
    table.seat("N2").await;
    for number in 6..=8 {
        table.ask(&mut calls, number, 1).await;
    }
    // Time enough to go where they are to go.
    for _ in 0..100 {
        table.back.is_alive().await;
    }
    say(&mut wrong, &asked[0], TAKEN).await;
    // As a node may that looks at one while the others wait for their turn.
    for index in [2, 4, 1, 3] {
        table.back.is_alive().await;
        say(&mut wrong, &asked[index], NOT_MINE).await;
    }
    table.answer(&asked[0]).await;
    let mut right = right.greet(1, "g1").await;
    let followed = messages(&mut right, 7).await;
    assert_eq!(followed.iter().map(|message| number(message)).collect::<Vec<_>>(), (2..=8).collect::<Vec<_>>());
    for message in &followed {
        table.answer(message).await;
    }
    assert_eq!(outcomes(calls).await, BTreeMap::from([("answered".to_owned(), 8)]));
    drop((wrong, right));
    table.clear().await;
}

/// It hangs, and wakes up when the game goes on elsewhere.
#[tokio::test]
async fn what_is_overtaken_after_all_is_a_status_when_it_comes_back() {
    let world = World::tcp();
    let (wrong, right) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    let mut table = Table::set(world, 1 << 20).await;
    table.seat("N1").await;
    let mut calls = table.ask_all(1..=3, 1).await;
    let mut wrong = wrong.greet(1, "g1").await;
    let asked = messages(&mut wrong, 3).await;
    table.seat("N2").await;
    say(&mut wrong, &asked[0], NOT_MINE).await;
    for _ in 0..20 {
        table.back.is_alive().await;
    }
    tokio::time::pause();
    let begun = Instant::now();
    table.ask(&mut calls, 4, 1).await;
    let mut right = right.greet(1, "g1").await;
    // The one that is back has waited as long.
    let followed = messages(&mut right, 2).await;
    assert_eq!(followed.iter().map(|message| number(message)).collect::<Vec<_>>(), [1, 4]);
    assert!((4..=6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    tokio::time::resume();
    for message in &followed {
        table.answer(message).await;
    }
    for message in &asked[1..] {
        say(&mut wrong, message, NOT_MINE).await;
    }
    let expected = [("answered".to_owned(), 2), (code(Code::CANCELED), 2)];
    assert_eq!(outcomes(calls).await, BTreeMap::from(expected));
    drop((wrong, right));
    table.clear().await;
}

/// What the node has and what it has given back are not mixed up.
#[tokio::test]
async fn a_connection_that_breaks_takes_nothing_with_it_that_had_come_back() {
    let world = World::tcp();
    let (wrong, right) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    let mut table = Table::set(world, 1 << 20).await;
    table.seat("N1").await;
    let calls = table.ask_all(1..=10, 1).await;
    let mut first = wrong.greet(1, "g1").await;
    let asked = messages(&mut first, 10).await;
    table.seat("N2").await;
    for message in &asked[5..] {
        say(&mut first, message, NOT_MINE).await;
    }
    drop((first, wrong));
    let mut right = right.greet(1, "g1").await;
    let followed = messages(&mut right, 5).await;
    assert_eq!(followed.iter().map(|message| number(message)).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
    // Longer than the others are waited for.
    tokio::time::sleep(Duration::from_millis(400)).await;
    for message in &followed {
        table.answer(message).await;
    }
    let expected = [("answered".to_owned(), 5), (code(Code::UNKNOWN), 5)];
    assert_eq!(outcomes(calls).await, BTreeMap::from(expected));
    drop(right);
    table.clear().await;
}
