use std::collections::BTreeMap;
use std::future::{Future, ready};

use due::locator::{DirLocator, Locator, MemoryLocator};
use due::{Gid, Nid, Uid};

use super::Dirs;

const LI: Uid = Uid(1001);
const HAN: Uid = Uid(1002);

/// Runs every rule of [`Locator`], each on a locator of its own.
async fn suite<L: Locator, F: Future<Output = L>>(make: impl Fn() -> F) {
    nobody_is_anywhere_at_first(&make().await).await;
    a_rebind_moves_the_user(&make().await).await;
    only_the_bound_gate_unbinds(&make().await).await;
    nodes_are_bound_by_name(&make().await).await;
    only_the_bound_node_unbinds(&make().await).await;
    gate_and_nodes_are_independent(&make().await).await;
    one_of_many_unbinds_wins(&make().await).await;
}

#[tokio::test]
async fn memory() {
    suite(async || MemoryLocator::new()).await;
}

#[tokio::test]
async fn dir() {
    let dirs = Dirs::default();
    suite(|| ready(DirLocator::new(dirs.next()))).await;
}

#[cfg(feature = "redis")]
mod redis {
    use due::locator::RedisLocator;
    use due::redis::Redis;

    use super::*;
    use crate::support::redis::{Cluster, Server};

    async fn suite_of(redis: &Redis) {
        let count = std::cell::Cell::new(0);
        suite(|| {
            count.set(count.get() + 1);
            ready(RedisLocator::with_prefix(redis, format!("suite:{}", count.get())))
        })
        .await;
    }

    #[tokio::test]
    async fn redis() {
        let server = Server::start();
        suite_of(&server.redis()).await;
    }

    #[tokio::test]
    async fn redis_cluster() {
        let cluster = Cluster::start().await;
        suite_of(&cluster.redis()).await;
    }
}

async fn nobody_is_anywhere_at_first(locator: &impl Locator) {
    assert_eq!(locator.locate_gate(LI).await.unwrap(), None);
    assert_eq!(locator.locate_node(LI, "game").await.unwrap(), None);
    assert_eq!(locator.locate_nodes(LI).await.unwrap(), BTreeMap::new());
    assert!(!locator.unbind_gate(LI, &Gid::from("g1")).await.unwrap());
    assert!(!locator.unbind_node(LI, "game", &Nid::from("n1")).await.unwrap());
}

async fn a_rebind_moves_the_user(locator: &impl Locator) {
    let (old, new) = (Gid::from("g1"), Gid::from("g2"));
    assert_eq!(locator.bind_gate(LI, &old).await.unwrap(), None);
    assert_eq!(locator.bind_gate(HAN, &old).await.unwrap(), None);
    assert_eq!(locator.bind_gate(LI, &new).await.unwrap(), Some(old.clone()), "who binds hears where he was");
    assert_eq!(locator.bind_gate(LI, &new).await.unwrap(), Some(new.clone()));
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(new));
    assert_eq!(locator.locate_gate(HAN).await.unwrap(), Some(old));
}

async fn only_the_bound_gate_unbinds(locator: &impl Locator) {
    let (old, new) = (Gid::from("g1"), Gid::from("g2"));
    locator.bind_gate(LI, &old).await.unwrap();
    locator.bind_gate(LI, &new).await.unwrap();
    assert!(!locator.unbind_gate(LI, &old).await.unwrap());
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(new.clone()));
    assert!(locator.unbind_gate(LI, &new).await.unwrap());
    assert_eq!(locator.locate_gate(LI).await.unwrap(), None);
    assert!(!locator.unbind_gate(LI, &new).await.unwrap());
}

async fn nodes_are_bound_by_name(locator: &impl Locator) {
    let (game, mail, other) = (Nid::from("n1"), Nid::from("n2"), Nid::from("n3"));
    locator.bind_node(LI, "game", &game).await.unwrap();
    locator.bind_node(LI, "mail", &mail).await.unwrap();
    assert_eq!(locator.locate_node(LI, "game").await.unwrap(), Some(game));
    locator.bind_node(LI, "game", &other).await.unwrap();
    assert_eq!(locator.locate_node(LI, "game").await.unwrap(), Some(other.clone()));
    let all = BTreeMap::from([("game".to_owned(), other), ("mail".to_owned(), mail)]);
    assert_eq!(locator.locate_nodes(LI).await.unwrap(), all);
    assert_eq!(locator.locate_nodes(HAN).await.unwrap(), BTreeMap::new());
}

async fn only_the_bound_node_unbinds(locator: &impl Locator) {
    let (old, new) = (Nid::from("n1"), Nid::from("n2"));
    locator.bind_node(LI, "game", &old).await.unwrap();
    locator.bind_node(LI, "game", &new).await.unwrap();
    assert!(!locator.unbind_node(LI, "game", &old).await.unwrap());
    assert!(!locator.unbind_node(LI, "mail", &new).await.unwrap());
    assert_eq!(locator.locate_node(LI, "game").await.unwrap(), Some(new.clone()));
    assert!(locator.unbind_node(LI, "game", &new).await.unwrap());
    assert_eq!(locator.locate_nodes(LI).await.unwrap(), BTreeMap::new());
}

async fn gate_and_nodes_are_independent(locator: &impl Locator) {
    let (gate, node) = (Gid::from("same"), Nid::from("same"));
    locator.bind_gate(LI, &gate).await.unwrap();
    locator.bind_node(LI, "game", &node).await.unwrap();
    assert!(locator.unbind_gate(LI, &gate).await.unwrap());
    assert_eq!(locator.locate_node(LI, "game").await.unwrap(), Some(node.clone()));
    locator.bind_gate(LI, &gate).await.unwrap();
    assert!(locator.unbind_node(LI, "game", &node).await.unwrap());
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(gate));
}

async fn one_of_many_unbinds_wins(locator: &impl Locator) {
    let gate = Gid::from("g1");
    locator.bind_gate(LI, &gate).await.unwrap();
    let unbind = || locator.unbind_gate(LI, &gate);
    let (a, b, c) = tokio::join!(unbind(), unbind(), unbind());
    let won = [a, b, c].map(Result::unwrap).into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}
