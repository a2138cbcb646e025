//! What cannot be brought about from outside: a locator that fails, a minute that passes, a wallet that is not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use due::locator::{LocateError, Locator};
use due::testing::Harness;
use due::{Backends, BoxFuture, Client, Context, EventExt as _, Gid, Nid, Uid};
use lobby::game::{self, GameService};
use lobby::login::{self, LoginService};
use lobby::passwords::Passwords;
use lobby::store::MemoryStore;
use lobby::v1::{
    CreateRoomRequest, GameClient, JoinRoomCode, JoinRoomRequest, LoggedIn, LoginClient, LoginCode, LoginRequest,
    LoginResponse, MemberLeft, RegisterRequest,
};
use tokio::time::Instant;

/// In place of the login node.
#[due::route(100)]
async fn enter(ctx: &mut Context, uid: i64) -> due::Result<i64> {
    ctx.bind(Uid(uid)).await?;
    Ok(uid)
}

async fn game() -> Harness {
    let service = GameService::new(Arc::new(MemoryStore::default()));
    let harness = Harness::builder().codec(due::Codec::Json);
    harness.node(|node| game::serve(node.serve(due::routes![enter]), service)).start().await.unwrap()
}

async fn user(harness: &Harness, uid: i64) -> Client {
    let client = harness.client().await.unwrap();
    let entered: i64 = client.request(due::RouteId(100), &uid).await.unwrap();
    assert_eq!(entered, uid);
    client
}

async fn opens(client: &Client) -> i32 {
    GameClient::new(client).create_room(CreateRoomRequest { name: "castle".to_owned() }).await.unwrap().id
}

async fn joins(client: &Client, id: i32) -> JoinRoomCode {
    GameClient::new(client).join_room(JoinRoomRequest { id }).await.unwrap().code()
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_connection_has_left_after_a_minute() {
    let harness = game().await;
    let [host, guest] = [user(&harness, 1).await, user(&harness, 2).await];
    let room = opens(&host).await;
    assert_eq!(joins(&guest, room).await, JoinRoomCode::Ok);
    let mut left = guest.pushes::<MemberLeft>();
    let begun = Instant::now();
    host.close().await;
    assert_eq!(left.next().await.unwrap().unwrap(), MemberLeft { room, uid: 1 });
    assert_eq!(begun.elapsed().as_secs(), 60);

    // With the last one the room has gone.
    guest.close().await;
    let late = user(&harness, 3).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(joins(&late, room).await, JoinRoomCode::RoomMissing);
    harness.stop().await;
}

#[tokio::test]
async fn a_room_has_64_members_at_most() {
    let harness = game().await;
    let host = user(&harness, 1).await;
    let room = opens(&host).await;
    let mut members = vec![host];
    for uid in 2..=64 {
        let member = user(&harness, uid).await;
        assert_eq!(joins(&member, room).await, JoinRoomCode::Ok, "{uid}");
        members.push(member);
    }
    let late = user(&harness, 65).await;
    assert_eq!(joins(&late, room).await, JoinRoomCode::Failed);
    members.pop().unwrap().close().await;
    assert_eq!(joins(&late, room).await, JoinRoomCode::Failed, "his place is kept for a minute");
    harness.stop().await;
}

async fn login(backends: Backends) -> (Harness, LoginClient) {
    let service = LoginService::new(Arc::new(MemoryStore::default()), Passwords::new().unwrap());
    let harness = Harness::builder().backends(backends).node(|node| login::serve(node, service)).start().await.unwrap();
    let client = LoginClient::new(harness.client().await.unwrap());
    let (account, password) = ("due".to_owned(), "123456".to_owned());
    client.register(RegisterRequest { account, password, ..RegisterRequest::default() }).await.unwrap();
    (harness, client)
}

fn due() -> LoginRequest {
    LoginRequest { account: "due".to_owned(), password: "123456".to_owned() }
}

#[tokio::test]
async fn a_login_that_is_not_bound_has_failed() {
    let (harness, client) = login(Backends::memory().locator(Broken)).await;
    let failed = LoginResponse { code: LoginCode::Failed.into(), ..LoginResponse::default() };
    assert_eq!(client.login(due()).await.unwrap(), failed);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_wallet_is_a_login() {
    let (harness, client) = login(Backends::memory()).await;
    let mut heard = LoggedIn::subscribe(harness.cluster()).await.unwrap();
    let begun = Instant::now();
    let response = client.login(due()).await.unwrap();
    assert_eq!((response.code(), response.id), (LoginCode::Ok, 1));
    assert_eq!(begun.elapsed().as_secs(), 2, "nobody waits longer for a wallet");
    assert_eq!(heard.next().await.unwrap().unwrap(), LoggedIn { id: 1, account: "due".to_owned() });
    harness.stop().await;
}

/// Binds nobody.
#[derive(Debug)]
struct Broken;

impl Locator for Broken {
    fn bind_gate<'a>(&'a self, _: Uid, _: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(async { Err(LocateError::Unreachable("it is a test".into())) })
    }

    fn unbind_gate<'a>(&'a self, _: Uid, _: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async { Ok(false) })
    }

    fn locate_gate(&self, _: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        Box::pin(async { Ok(None) })
    }

    fn bind_node<'a>(&'a self, _: Uid, _: &'a str, _: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        Box::pin(async { Ok(()) })
    }

    fn unbind_node<'a>(&'a self, _: Uid, _: &'a str, _: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async { Ok(false) })
    }

    fn locate_node<'a>(&'a self, _: Uid, _: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        Box::pin(async { Ok(None) })
    }

    fn locate_nodes(&self, _: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }
}
