//! The servers under a fleet die and come back while players ask.

use std::time::{Duration, Instant};

use due::codec::RawBody;
use due::{CallError, Client, RouteId};
use libtest_mimic::Trial;

use crate::fleet::{ECHO, Handled, LOGIN, Member, PLAY};
use crate::load::{Game, Load, Tally};
use crate::nodes::knows;
use crate::story;
use crate::support::redis::until;
use crate::world::{Registry, World};

const PLAYERS: usize = 8;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
const STATEFUL: Game = Game { route: PLAY, login: Some(LOGIN), pace: Duration::from_millis(4) };
/// What a login may take while redis is gone, with the time that a busy machine needs.
const BOUND: Duration = Duration::from_secs(15);

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("users_who_are_bound_play_on_while_redis_is_gone", redis),
        story("an_etcd_that_is_restarted_costs_nothing", || registry(World::on_etcd(), false)),
        story("an_etcd_that_has_lost_its_data_costs_nothing", || registry(World::on_etcd(), true)),
        story("a_consul_that_is_restarted_costs_nothing", || registry(World::on_consul(), false)),
        story("a_consul_that_has_lost_its_data_costs_nothing", || registry(World::on_consul(), true)),
    ]
}

async fn redis() {
    const ROUNDS: usize = 2;
    let mut world = World::on_etcd();
    let gate = world.gate("g1");
    let nodes = [world.node("n1"), world.node("n2")];
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATEFUL);
    let late = Client::builder().timeout(Duration::from_secs(60)).connect(&gate.addresses()[0]).await.unwrap();
    for _ in 0..ROUNDS {
        load.answers(50).await;
        world.redis.kill();
        load.answers(200).await;
        let begun = Instant::now();
        let refusal = login(&late).await.expect_err("nobody knows who else has this user");
        assert!(matches!(refusal, CallError::Status(_)), "{refusal:?}");
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        world.redis.revive();
        until(async || login(&late).await.is_ok()).await;
        load.answers(50).await;
    }
    late.close().await;
    no_loss(load.stop().await, &nodes);
}

async fn registry(mut world: World, is_empty: bool) {
    let gate = world.gate("g1");
    let mut nodes = vec![world.node("n1"), world.node("n2")];
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(50).await;
    match &mut world.registry {
        Registry::Etcd(etcd) => etcd.kill(),
        Registry::Consul(consul) => consul.kill(),
    }
    load.answers(200).await;
    match (&mut world.registry, is_empty) {
        (Registry::Etcd(etcd), false) => etcd.start_again(),
        (Registry::Etcd(etcd), true) => etcd.start_empty(),
        (Registry::Consul(consul), false) => consul.start_again(),
        (Registry::Consul(consul), true) => consul.start_empty(),
    }
    // Who comes now is found.
    let third = world.node("n3");
    until(async || !third.ledger().is_empty()).await;
    nodes.push(third);
    load.answers(50).await;
    no_loss(load.stop().await, &nodes);
}

fn no_loss(tally: Tally, nodes: &[Member]) {
    eprintln!("{tally:?}");
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(tally, expected);
    let handled = Handled::by(nodes);
    assert_eq!((handled.requests.len() as u64, handled.twice, handled.out_of_order), (tally.sent, 0, 0));
}

/// Of a user who does not play.
async fn login(client: &Client) -> Result<RawBody, CallError> {
    client.request(RouteId(LOGIN), &RawBody("1000".into())).await
}
