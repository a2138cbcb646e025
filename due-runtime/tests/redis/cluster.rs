//! A redis cluster of three masters.

use due::locator::{Change, LocateError, Locator, RedisLocator};
use due::{Gid, Nid, Uid};
use futures_util::future::join_all;

use crate::next;
use crate::support::redis::{Cluster, until};

const USERS: std::ops::RangeInclusive<i64> = 1..=30;

#[tokio::test]
async fn users_are_spread_over_the_servers_and_changes_are_heard_of_all() {
    let cluster = Cluster::start().await;
    let (here, there) = (RedisLocator::new(&cluster.redis()), RedisLocator::new(&cluster.redis()));
    let mut changes = here.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    let (gid, nid) = (Gid::from("g1"), Nid::from("n1"));
    for uid in USERS.map(Uid) {
        there.bind_gate(uid, &gid).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::GateBound { uid, gid: gid.clone() });
        there.bind_node(uid, "game", &nid).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::NodeBound { uid, name: "game".into(), nid: nid.clone() });
        assert_eq!(here.locate_gate(uid).await.unwrap(), Some(gid.clone()));
        assert_eq!(here.locate_node(uid, "game").await.unwrap(), Some(nid.clone()));
    }
    let mut kept = 0;
    for server in &cluster.servers {
        let size = server.raw().await.ask(&["DBSIZE"]).await;
        let size: usize = size.trim().trim_start_matches(':').parse().unwrap();
        assert!(size > 0);
        kept += size;
    }
    assert_eq!(kept, 60);
    for uid in USERS.map(Uid) {
        assert!(here.unbind_gate(uid, &gid).await.unwrap());
        assert!(!there.unbind_gate(uid, &gid).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_that_stands_still_takes_only_its_users_along() {
    const MANY: i64 = 200;
    let cluster = Cluster::start().await;
    let before = RedisLocator::new(&cluster.redis());
    for uid in (1..=MANY).map(Uid) {
        before.bind_gate(uid, &Gid::from("g1")).await.unwrap();
    }
    for frozen in &cluster.servers {
        frozen.freeze();
        // One that knows the cluster, and one that comes now. Their first calls may find that out.
        for locator in [&before, &RedisLocator::new(&cluster.redis())] {
            until(async || {
                let located = join_all((1..=MANY).map(|uid| locator.locate_gate(Uid(uid)))).await;
                let found = located.iter().flatten().flatten().count() as i64;
                assert!(found < MANY, "{found} found");
                found > 0
            })
            .await;
        }
        frozen.thaw();
        cluster.settle().await;
    }
}

#[tokio::test]
async fn servers_that_die_take_only_their_users_along_and_come_back() {
    let mut cluster = Cluster::start().await;
    let locator = RedisLocator::new(&cluster.redis());
    let mut changes = locator.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    let gid = Gid::from("g1");
    for uid in USERS.map(Uid) {
        locator.bind_gate(uid, &gid).await.unwrap();
    }

    cluster.servers[0].kill();
    let (mut found, mut lost) = (0, 0);
    for uid in USERS.map(Uid) {
        match locator.locate_gate(uid).await {
            Ok(gate) => {
                assert_eq!(gate.as_ref(), Some(&gid));
                found += 1;
            }
            Err(error) => {
                assert!(matches!(error, LocateError::Unreachable(_)));
                lost += 1;
            }
        }
    }
    assert!(found > 0 && lost > 0, "{found} found, {lost} lost");
    cluster.servers[0].revive();
    cluster.settle().await;
    for uid in USERS.map(Uid) {
        until(async || locator.locate_gate(uid).await.is_ok_and(|gate| gate.as_ref() == Some(&gid))).await;
    }

    for server in &mut cluster.servers {
        server.kill();
    }
    for uid in USERS.map(Uid).take(3) {
        assert!(matches!(locator.locate_gate(uid).await.unwrap_err(), LocateError::Unreachable(_)));
    }
    for server in &mut cluster.servers {
        server.revive();
    }
    cluster.settle().await;
    for uid in USERS.map(Uid) {
        until(async || locator.locate_gate(uid).await.is_ok_and(|gate| gate.as_ref() == Some(&gid))).await;
    }
    let other = Gid::from("g2");
    until(async || {
        locator.bind_gate(Uid(1), &other).await.unwrap();
        // It may take a moment until the line is up again.
        while let Some(change) = futures_util::FutureExt::now_or_never(changes.next()) {
            if change == Some(Change::GateBound { uid: Uid(1), gid: other.clone() }) {
                return true;
            }
        }
        false
    })
    .await;
}
