//! One suite, on both stores.

#[path = "e2e/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use due::Nid;
use lobby::store::{Account, MemoryStore, NewAccount, OpenedRoom, RedisStore, Store, StoreError};
use support::redis::{Server, until};
use tokio::task::JoinSet;

async fn keeps_its_promises(store: Arc<dyn Store>) {
    accounts(Arc::clone(&store)).await;
    rooms(&*store).await;
}

async fn accounts(store: Arc<dyn Store>) {
    let new = |hash: &str| NewAccount { password_hash: hash.to_owned(), nickname: "fu xiao".to_owned(), age: -1 };
    assert_eq!(store.register("due", &new("$a")).await.unwrap(), Some(1));
    assert_eq!(store.register("due", &new("$b")).await.unwrap(), None);
    assert_eq!(store.register("路", &new("")).await.unwrap(), Some(2), "nothing was counted in between");
    assert_eq!(store.account("due").await.unwrap(), Some(Account { id: 1, password_hash: "$a".to_owned() }));
    assert_eq!(store.account("路").await.unwrap(), Some(Account { id: 2, password_hash: String::new() }));
    assert_eq!(store.account("").await.unwrap(), None);

    let mut registrations = JoinSet::new();
    for number in 0..60 {
        let store = Arc::clone(&store);
        registrations.spawn(async move { store.register(&format!("of {}", number % 20), &new("$")).await.unwrap() });
    }
    let ids = registrations.join_all().await;
    let given: BTreeSet<i32> = ids.iter().flatten().copied().collect();
    assert_eq!(given, (3..=22).collect(), "each name once, each number once");
    assert_eq!(ids.iter().flatten().count(), 20);
}

async fn rooms(store: &dyn Store) {
    let [a, b] = [Nid::from("a"), Nid::from("b")];
    assert_eq!(store.open_room("castle", &a).await.unwrap(), OpenedRoom::New(1));
    assert_eq!(store.open_room("castle", &b).await.unwrap(), OpenedRoom::Taken { id: 1, owner: a.clone() });
    assert_eq!(store.open_room("garden", &b).await.unwrap(), OpenedRoom::New(2));
    assert_eq!(store.room_owner(1).await.unwrap(), Some(a.clone()));
    assert_eq!(store.room_owner(3).await.unwrap(), None);
    store.close_room(1, &b).await.unwrap();
    assert_eq!(store.room_owner(1).await.unwrap(), Some(a.clone()), "it is not b's");
    for _ in 0..2 {
        store.close_room(1, &a).await.unwrap();
        assert_eq!(store.room_owner(1).await.unwrap(), None);
    }
    assert_eq!(store.open_room("castle", &b).await.unwrap(), OpenedRoom::New(3));
    assert_eq!(store.room_owner(2).await.unwrap(), Some(b));
}

#[tokio::test]
async fn memory() {
    keeps_its_promises(Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn redis() {
    let server = Server::start();
    keeps_its_promises(Arc::new(RedisStore::new(&server.addr()).unwrap())).await;
    let mut raw = server.raw().await;
    assert_eq!(raw.ask(&["HGET", "lobby:account:due", "nickname"]).await, "$7\r\nfu xiao\r\n");
    assert_eq!(raw.ask(&["GET", "lobby:users:last"]).await, "$2\r\n22\r\n");
}

#[tokio::test]
async fn a_redis_that_is_away_costs_three_seconds_at_most_and_nothing_when_it_is_back() {
    let mut server = Server::start();
    let store = RedisStore::new(&format!("redis://{}", server.addr())).unwrap();
    let new = NewAccount { password_hash: "$a".to_owned(), nickname: String::new(), age: 31 };
    assert_eq!(store.register("due", &new).await.unwrap(), Some(1));

    server.freeze();
    let begun = Instant::now();
    let error = store.account("due").await.unwrap_err();
    assert!(matches!(&error, StoreError::Late { .. } | StoreError::Failed { .. }), "{error}");
    assert!(error.to_string().contains(&server.addr()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    server.thaw();
    until(async || store.account("due").await.is_ok()).await;

    server.kill();
    assert!(store.account("due").await.is_err());
    server.revive();
    until(async || store.account("due").await.is_ok_and(|account| account.is_some_and(|account| account.id == 1)))
        .await;
}
