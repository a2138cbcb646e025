//! Somebody who plays.

use std::sync::atomic::{AtomicU64, Ordering};

use due::{CallError, Client, Push, Pushes, Status};
use lobby::v1::{
    CreateRoomCode, CreateRoomRequest, GameClient, JoinRoomCode, JoinRoomRequest, LoginClient, LoginCode, LoginRequest,
    RegisterCode, RegisterRequest, RegisterResponse, RoomClient, SayRequest, SayResponse,
};
use tokio::time::timeout;

use crate::process::DEADLINE;
use crate::world::World;

pub(crate) const PASSWORD: &str = "123456";

/// An account, and a connection of it.
pub(crate) struct Player {
    pub(crate) client: Client,
    pub(crate) account: String,
    pub(crate) uid: i64,
}

impl Player {
    /// With a new account, at a gate of two.
    pub(crate) async fn new(world: &World, gate: usize) -> Self {
        let account = name("player");
        let client = connect(world, gate).await;
        assert_eq!(register(&client, &account, PASSWORD).await.code(), RegisterCode::Ok);
        let uid = logs_in(&client, &account).await;
        Self { client, account, uid }
    }

    /// The same account on another connection.
    pub(crate) async fn again(&self, world: &World, gate: usize) -> Self {
        let client = connect(world, gate).await;
        let uid = logs_in(&client, &self.account).await;
        Self { client, account: self.account.clone(), uid }
    }

    /// On another connection by the same address, as the gate has asked for.
    pub(crate) async fn moves_to(self, url: &str) -> Self {
        loop {
            let client = Client::connect(url).await.unwrap();
            let request = LoginRequest { account: self.account.clone(), password: PASSWORD.to_owned() };
            match LoginClient::new(&client).login(request).await {
                Ok(response) => {
                    assert_eq!((response.code(), i64::from(response.id)), (LoginCode::Ok, self.uid));
                    return Self { client, ..self };
                }
                // It has met the old gate in its last moments.
                Err(CallError::GoingAway) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn create_room(&self, name: &str) -> Result<(CreateRoomCode, i32), CallError> {
        let response = GameClient::new(&self.client).create_room(CreateRoomRequest { name: name.to_owned() }).await?;
        Ok((response.code(), response.id))
    }

    /// A room with a new name.
    pub(crate) async fn opens(&self) -> i32 {
        let (code, id) = self.create_room(&name("room")).await.unwrap();
        assert_eq!(code, CreateRoomCode::Ok);
        id
    }

    pub(crate) async fn join(&self, id: i32) -> JoinRoomCode {
        GameClient::new(&self.client).join_room(JoinRoomRequest { id }).await.unwrap().code()
    }

    pub(crate) async fn say(&self, text: &str) -> Result<SayResponse, CallError> {
        RoomClient::new(&self.client).say(SayRequest { text: text.to_owned() }).await
    }

    /// The node that has the room.
    pub(crate) async fn says(&self, text: &str) -> String {
        let response = self.say(text).await.unwrap();
        assert_eq!(response.code, 0);
        response.node
    }
}

/// In no use yet.
pub(crate) fn name(of: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{of}-{}", LAST.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn connect(world: &World, gate: usize) -> Client {
    Client::connect(&world.gate("ws://", gate)).await.unwrap()
}

pub(crate) async fn register(client: &Client, account: &str, password: &str) -> RegisterResponse {
    let request = RegisterRequest {
        account: account.to_owned(),
        password: password.to_owned(),
        nickname: "fuxiao".to_owned(),
        age: 31,
    };
    LoginClient::new(client).register(request).await.unwrap()
}

pub(crate) async fn login(client: &Client, account: &str, password: &str) -> (LoginCode, i64) {
    let request = LoginRequest { account: account.to_owned(), password: password.to_owned() };
    let response = LoginClient::new(client).login(request).await.unwrap();
    (response.code(), response.id.into())
}

async fn logs_in(client: &Client, account: &str) -> i64 {
    let (code, uid) = login(client, account, PASSWORD).await;
    assert_eq!(code, LoginCode::Ok);
    uid
}

pub(crate) async fn next<P: Push>(pushes: &mut Pushes<P>) -> P {
    let push = timeout(DEADLINE, pushes.next()).await.unwrap_or_else(|_| panic!("no {}", P::NAME));
    push.expect("the connection is open").unwrap()
}

/// Why a call was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Status {
    match answer {
        Err(CallError::Status(status)) => status,
        other => panic!("{other:?}"),
    }
}
