//! A client that plays every flow once, and says what it does.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use due::{Client, Push, Pushes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::v1::{
    CreateRoomCode, CreateRoomRequest, GameClient, JoinRoomCode, JoinRoomRequest, LoginClient, LoginCode, LoginRequest,
    MemberJoined, Notify, RegisterCode, RegisterRequest, RoomClient, Said, SayRequest, Unauthorized,
};

const PASSWORD: &str = "123456";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays at a gate, and has a notice told by the admin whose page this is. Accounts are new in every run.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn play(url: &str, admin: Option<&str>, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let account = format!("due-{:08x}", RandomState::new().hash_one("account") as u32);
    let first = Client::connect(url).await?;
    say(&format!("connected to {url}"));

    let mut refusals = first.pushes::<Unauthorized>();
    let room = format!("room of {account}");
    let code = GameClient::new(&first).create_room(CreateRoomRequest { name: room.clone() }).await?.code();
    next(&mut refusals).await?;
    say(&format!("a room before the login: {}, Unauthorized is pushed", code.as_str_name()));

    register(&first, &account, RegisterCode::Ok, say).await?;
    register(&first, &account, RegisterCode::AccountExists, say).await?;
    login(&first, &account, "654321", LoginCode::WrongAccountOrPassword, say).await?;
    let id = login(&first, &account, PASSWORD, LoginCode::Ok, say).await?;

    let created = GameClient::new(&first).create_room(CreateRoomRequest { name: room }).await?;
    ensure!(created.code() == CreateRoomCode::Ok, "the room is not opened: {created:?}");
    say(&format!("room {} is opened", created.id));

    let second = Client::connect(url).await?;
    let friend = format!("{account}-2");
    register(&second, &friend, RegisterCode::Ok, say).await?;
    let friend = login(&second, &friend, PASSWORD, LoginCode::Ok, say).await?;
    let mut joins = first.pushes::<MemberJoined>();
    let mut heard = second.pushes::<Said>();
    let joined = GameClient::new(&second).join_room(JoinRoomRequest { id: created.id }).await?.code();
    ensure!(joined == JoinRoomCode::Ok, "the room is not joined: {}", joined.as_str_name());
    let MemberJoined { room, uid, members } = next(&mut joins).await?;
    ensure!(uid == i64::from(friend), "{uid} has joined, not {friend}");
    say(&format!("user {uid} has joined room {room}: {members:?} are in"));

    let node = talk(&first, "hi").await?;
    let Said { uid, text, .. } = next(&mut heard).await?;
    say(&format!("user {uid} says {text:?} in it, on node {node}"));

    match admin {
        Some(page) => notice(page, id, &first, say).await.with_context(|| format!("no notice by {page}"))?,
        None => say("no notice: nobody has said where admin is"),
    }

    first.close().await;
    let first = Client::connect(url).await?;
    say("the connection was lost; connected again");
    login(&first, &account, PASSWORD, LoginCode::Ok, say).await?;
    let again = talk(&first, "back again").await?;
    ensure!(again == node, "the room was on node {node}, and is on {again}");
    let Said { uid, text, .. } = next(&mut heard).await?;
    say(&format!("user {uid} says {text:?} in room {room}, which is still on node {again}"));

    first.close().await;
    second.close().await;
    say("all is well");
    Ok(())
}

async fn register(
    client: &Client,
    account: &str,
    expected: RegisterCode,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let (account, nickname) = (account.to_owned(), "fuxiao".to_owned());
    let request = RegisterRequest { account: account.clone(), password: PASSWORD.to_owned(), nickname, age: 31 };
    let response = LoginClient::new(client).register(request).await?;
    say(&format!("register {account}: {}, id {}", response.code().as_str_name(), response.id));
    ensure!(response.code() == expected, "expected {}", expected.as_str_name());
    Ok(())
}

async fn login(
    client: &Client,
    account: &str,
    password: &str,
    expected: LoginCode,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<i32> {
    let request = LoginRequest { account: account.to_owned(), password: password.to_owned() };
    let response = LoginClient::new(client).login(request).await?;
    say(&format!("login {account}: {}, id {}", response.code().as_str_name(), response.id));
    ensure!(response.code() == expected, "expected {}", expected.as_str_name());
    Ok(response.id)
}

/// The node that has the room.
async fn talk(client: &Client, text: &str) -> anyhow::Result<String> {
    let response = RoomClient::new(client).say(SayRequest { text: text.to_owned() }).await?;
    ensure!(response.code == 0, "{text:?} is not said: code {}", response.code);
    Ok(response.node)
}

async fn next<P: Push>(pushes: &mut Pushes<P>) -> anyhow::Result<P> {
    let push = timeout(PATIENCE, pushes.next()).await.with_context(|| format!("no {} within {PATIENCE:?}", P::NAME))?;
    Ok(push.context("the connection ended")??)
}

/// `page` is `http://HOST:PORT/#TOKEN`.
async fn notice(page: &str, uid: i32, client: &Client, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let page = page.strip_prefix("http://").and_then(|page| page.split_once("/#"));
    let (addr, token) = page.context("it is not of the form http://HOST:PORT/#TOKEN")?;
    let mut notices = client.pushes::<Notify>();
    let body = serde_json::json!({ "uid": uid, "message": "supper is ready" }).to_string();
    say(&format!("POST http://{addr}/push: {}", post(addr, token, "/push", &body).await?));
    say(&format!("user {uid} is notified: {:?}", next(&mut notices).await?.message));
    Ok(())
}

/// The body of an answer of 200.
async fn post(addr: &str, token: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await.with_context(|| format!("no answer within {PATIENCE:?}"))??;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{body}");
    Ok(body.to_owned())
}
