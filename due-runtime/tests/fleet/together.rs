//! What goes wrong at the same time: parts of a fleet that stop, die or hang while others do.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fleet::{ECHO, Handled, LOGIN, Member, PLAY, overtaken};
use crate::load::{Game, Load, Tally};
use crate::nodes::knows;
use crate::story;
use crate::support::free_port;
use crate::world::{Registry, World};

const PLAYERS: usize = 4;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
const STATEFUL: Game = Game { route: PLAY, login: Some(LOGIN), pace: Duration::from_millis(4) };

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("users_who_are_handed_from_node_to_node_lose_nothing_and_nothing_overtakes", heirs),
        story("a_node_that_stops_while_redis_is_gone_leaves_a_status_at_worst", stop_without_redis),
        story("a_node_that_dies_while_redis_hangs_leaves_a_status_at_worst", kill_without_redis),
        story("a_node_that_hangs_while_its_peer_is_restarted_leaves_a_status_at_worst", hang_while_restarted),
        story("two_of_three_nodes_that_stop_at_once_leave_a_status_at_worst", two_at_once),
        story("a_gate_that_hangs_while_its_node_dies_has_an_answer_for_everything", gate_hangs),
        story("a_gate_that_is_replaced_while_etcd_is_gone_cuts_nobody_off", replaced_without_registry),
        story("a_gate_that_drains_does_not_wait_for_who_does_not_read", slow_while_draining),
    ]
}

/// Players of both kinds.
struct Crowd {
    stateless: Load,
    stateful: Load,
}

impl Crowd {
    fn start(addresses: &[String]) -> Self {
        let stateless = Load::start(PLAYERS, addresses.to_vec(), STATELESS);
        let stateful = Load::start_behind(PLAYERS, PLAYERS, addresses.to_vec(), STATEFUL);
        Self { stateless, stateful }
    }

    async fn answers(&self, more: u64) {
        tokio::join!(self.stateless.answers(more), self.stateful.answers(more));
    }

    /// Every request had one answer; those that were handled were handled once, and in order.
    async fn stop(self, nodes: &[&Member]) -> [Tally; 2] {
        let tallies = <[Tally; 2]>::from(tokio::join!(self.stateless.stop(), self.stateful.stop()));
        // What nobody had got goes to another node behind what that one had already, but for the messages of users.
        let stateless = Handled::for_players(nodes.iter().copied(), 1..=PLAYERS);
        let stateful = Handled::for_players(nodes.iter().copied(), PLAYERS + 1..=2 * PLAYERS);
        eprintln!("{tallies:?}, {} and {} handled", stateless.requests.len(), stateful.requests.len());
        for tally in &tallies {
            let expected = Tally {
                sent: tally.sent,
                answered: tally.sent - tally.refused() - tally.cut,
                refused: tally.refused.clone(),
                cut: tally.cut,
                connections: tally.connections,
                unconnected: tally.unconnected,
                sent_off: tally.sent_off,
                ..Tally::default()
            };
            assert_eq!(*tally, expected);
        }
        assert_eq!((stateless.twice, stateful.twice, stateful.out_of_order), (0, 0, 0));
        tallies
    }
}

fn all_answered(tally: &Tally) {
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(*tally, expected);
}

async fn heirs() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let last = world.node("n3");
    let (mut first, mut second) = (world.node_with_heir("n1", "n2"), world.node_with_heir("n2", "n3"));
    for node in [&first, &second, &last] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    for node in [&mut first, &mut second] {
        crowd.answers(100).await;
        node.terminate();
        let (status, took) = node.ended().await;
        assert!(status.success(), "{}: {status}", node.id());
        eprintln!("{} has stopped within {took:?}", node.id());
    }
    crowd.answers(100).await;
    let nodes = [&first, &second, &last];
    crowd.stop(&nodes).await.iter().for_each(all_answered);
    assert_eq!(overtaken(&nodes, &(PLAYERS + 1..=2 * PLAYERS)), 0);
}

async fn stop_without_redis() {
    let mut world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut doomed, other) = (world.node("n1"), world.node("n2"));
    for node in [&doomed, &other] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    crowd.answers(100).await;
    world.redis.kill();
    doomed.terminate();
    let (status, took) = doomed.ended().await;
    eprintln!("n1 has stopped within {took:?}: {status}");
    crowd.stateless.answers(50).await;
    world.redis.revive();
    crowd.answers(100).await;
    let [stateless, _] = crowd.stop(&[&doomed, &other]).await;
    all_answered(&stateless);
}

async fn kill_without_redis() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut doomed, other) = (world.node("n1"), world.node("n2"));
    for node in [&doomed, &other] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    crowd.answers(100).await;
    world.redis.freeze();
    doomed.kill();
    crowd.stateless.answers(50).await;
    world.redis.thaw();
    crowd.answers(100).await;
    crowd.stop(&[&doomed, &other]).await;
}

async fn hang_while_restarted() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut restarted, hangs, other) = (world.node("n1"), world.node("n2"), world.node("n3"));
    for node in [&restarted, &hangs, &other] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    crowd.answers(100).await;
    hangs.freeze();
    restarted.terminate();
    let (status, took) = restarted.ended().await;
    eprintln!("n1 has stopped within {took:?}: {status}");
    let back = world.node("n1");
    // Those of the node that hangs are given up, for as long as it does.
    crowd.answers(50).await;
    hangs.thaw();
    crowd.answers(100).await;
    crowd.stop(&[&restarted, &back, &hangs, &other]).await;
}

async fn two_at_once() {
    let world = World::on_consul();
    let gate = world.gate("g1");
    let (mut first, mut second, other) = (world.node("n1"), world.node("n2"), world.node("n3"));
    for node in [&first, &second, &other] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    crowd.answers(100).await;
    first.terminate();
    second.terminate();
    for node in [&mut first, &mut second] {
        let (status, took) = node.ended().await;
        eprintln!("{} has stopped within {took:?}: {status}", node.id());
    }
    crowd.answers(100).await;
    let [stateless, _] = crowd.stop(&[&first, &second, &other]).await;
    all_answered(&stateless);
}

async fn gate_hangs() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut doomed, other) = (world.node("n1"), world.node("n2"));
    for node in [&doomed, &other] {
        knows(&gate, node).await;
    }
    let crowd = Crowd::start(gate.addresses());
    crowd.answers(100).await;
    gate.freeze();
    doomed.kill();
    let back = world.node("n1");
    gate.thaw();
    crowd.answers(100).await;
    crowd.stop(&[&doomed, &other, &back]).await;
}

async fn replaced_without_registry() {
    let mut world = World::on_etcd();
    let node = world.node("n1");
    let [tcp, ws] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let mut old = world.gate_at("g1", &tcp, &ws);
    knows(&old, &node).await;
    let crowd = Crowd::start(&old.addresses()[..1]);
    crowd.answers(100).await;
    let Registry::Etcd(etcd) = &mut world.registry else { unreachable!("this world is on etcd") };
    etcd.kill();
    old.terminate();
    let (status, took) = old.ended().await;
    eprintln!("g1 has stopped within {took:?}: {status}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    etcd.start_again();
    let _new = world.gate_at("g2", &tcp, &ws);
    crowd.answers(100).await;
    let tallies = crowd.stop(&[&node]).await;
    assert!(tallies.iter().all(|tally| tally.cut == 0), "who was told to go has had all answers: {tallies:?}");
}

async fn slow_while_draining() {
    const SLOW: usize = 8;
    let world = World::on_etcd();
    let node = world.node("n1");
    let [tcp, ws] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let mut old = world.gate_at("g1", &tcp, &ws);
    knows(&old, &node).await;
    let crowd = Crowd::start(&old.addresses()[..1]);
    crowd.answers(50).await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..SLOW {
        let mut stream = TcpStream::connect(&tcp).await.unwrap();
        // Asks as much as it may, and never reads.
        slow.spawn(async move {
            let frame = [&[0, 0, 0, 10, 0][..], &[0, 1], &[0, 7], b"0 0 0"].concat().repeat(1000);
            while stream.write_all(&frame).await.is_ok() {}
        });
    }
    crowd.answers(50).await;
    let new = world.gate_at("g2", &tcp, &ws);
    old.terminate();
    let (status, took) = old.ended().await;
    eprintln!("g1 has stopped within {took:?}: {status}");
    assert!(status.success() && took < Duration::from_secs(25), "{status} {took:?}");
    crowd.answers(100).await;
    let tallies = crowd.stop(&[&node]).await;
    assert!(tallies.iter().all(|tally| tally.cut == 0 && tally.refused() == 0), "{tallies:?}");
    drop(new);
    let gone = async { while slow.join_next().await.is_some() {} };
    timeout(Duration::from_secs(60), gone).await.expect("they are cut with their gate");
}
