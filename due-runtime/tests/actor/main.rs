//! Rooms: actors behind a real gate and node, seen by real clients.

#[cfg(all(feature = "link", feature = "tcp"))]
mod apart;
mod binding;
mod calls;
mod ends;
mod order;
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError};
use due::codegen::ActorKind;
use due::testing::{Harness, HarnessBuilder};
use due::{
    Actor, ActorRef, Body, CallError, Client, Code, Codec, Context, Error, Event, HandlerFuture, NodeHandle, Push,
    PushExt, RouteId, RouteSpec, Routes, Seq, StopCause, Uid,
};
use tokio::sync::{Semaphore, mpsc};

/// A body or push of plain text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Text(String);

impl Body for Text {
    const NAME: &'static str = "Text";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(text(body))
    }
}

impl Push for Text {
    const ROUTE: RouteId = RouteId::new(100);
}

fn text(text: impl AsRef<[u8]>) -> Text {
    Text(String::from_utf8_lossy(text.as_ref()).into_owned())
}

/// Asks and gives the answer, or what the status says.
async fn ask(client: &Client, route: i32, body: &str) -> String {
    match client.request::<_, Text>(RouteId(route), &text(body)).await {
        Ok(Text(answer)) => answer,
        Err(CallError::Status(status)) => format!("{} {}", status.code, status.message),
        Err(other) => other.to_string(),
    }
}

/// Sends a message, and does not wait for its answer.
async fn tell(client: &Client, route: i32, body: &str) {
    client.send_packet(RouteId(route), Seq::NONE, body.as_bytes()).await.unwrap();
}

/// What is noted down, in order.
#[derive(Clone)]
struct Diary(mpsc::UnboundedSender<String>);

impl Diary {
    fn note(&self, entry: impl ToString) {
        // A test that has seen enough does not read to the end.
        let _ = self.0.send(entry.to_string());
    }
}

struct Entries(mpsc::UnboundedReceiver<String>);

impl Entries {
    async fn expect(&mut self, entries: &[&str]) {
        for entry in entries {
            let next = tokio::time::timeout(Duration::from_secs(20), self.0.recv()).await;
            assert_eq!(next.expect("nothing more was noted").as_deref(), Some(*entry));
        }
    }

    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A room whose mailbox has a size.
struct Room<const MAILBOX: usize = 4096> {
    diary: Diary,
    /// What [`DO`] `wait` waits for, and takes away.
    open: Arc<Semaphore>,
    sum: i64,
    /// Where it lives on.
    heir: Option<NodeHandle>,
}

impl<const MAILBOX: usize> Actor for Room<MAILBOX> {
    const MAILBOX: usize = MAILBOX;
    const EVENTS: &'static [Event] = &[Event::Reconnect, Event::Disconnect];

    async fn started(&mut self, me: &ActorRef<Self>) -> due::Result<()> {
        tokio::task::yield_now().await;
        match me.id() {
            "broken" => Err(Error::new(Code::INTERNAL, "no floor")),
            "burning" => panic!("fire"),
            id => {
                self.diary.note(format!("{id} started"));
                Ok(())
            }
        }
    }

    async fn stopped(&mut self, me: &ActorRef<Self>, why: StopCause) {
        tokio::task::yield_now().await;
        let again = me.node().spawn_actor("again", self.like());
        if let Err(error) = again {
            self.diary.note(error);
        }
        for uid in [1, 2] {
            // Who is not there does not hear it.
            let _ = text(format!("{why:?}")).push(me.node().cluster(), due::Target::User(Uid(uid))).await;
        }
        if let Some(heir) = &self.heir {
            let id = if heir.nid() == me.node().nid() { "anew" } else { me.id() };
            let moved = heir.spawn_actor(id, Self { sum: self.sum, ..self.like() }).unwrap();
            for uid in me.members() {
                moved.bind(uid).unwrap();
                me.node().cluster().bind_node(uid, "game", heir.nid()).await.unwrap();
            }
        }
        let members: Vec<i64> = me.members().iter().map(|uid| uid.0).collect();
        self.diary.note(format!("{} stopped at {}: {why:?}, {members:?}", me.id(), self.sum));
    }

    async fn on_reconnect(&mut self, ctx: &mut Context) -> due::Result<()> {
        self.diary.note(format!("{:?} of {}", ctx.event().unwrap(), ctx.user()?.0));
        Ok(())
    }

    async fn on_disconnect(&mut self, ctx: &mut Context) -> due::Result<()> {
        let room = ctx.actor::<Self>().unwrap();
        self.diary.note(format!("{:?} of {} at {}", ctx.event().unwrap(), ctx.user()?.0, self.sum));
        room.unbind(ctx.user()?);
        Ok(())
    }
}

impl<const MAILBOX: usize> Room<MAILBOX> {
    fn like(&self) -> Self {
        Self { diary: self.diary.clone(), open: Arc::clone(&self.open), sum: 0, heir: None }
    }

    async fn handle(&mut self, ctx: &mut Context, body: String) -> due::Result<String> {
        match (ctx.route(), &*body) {
            (ADD, number) => {
                let sum = self.sum;
                tokio::task::yield_now().await;
                self.sum = sum + number.parse::<i64>()?;
                Ok(self.sum.to_string())
            }
            (_, "panic") => {
                self.sum += 100;
                panic!("as it was told");
            }
            (_, "die") => {
                ctx.actor::<Self>().unwrap().kill();
                Ok("dies".to_owned())
            }
            (_, "wait") => {
                self.diary.note("waits");
                self.open.acquire().await?.forget();
                Ok("waited".to_owned())
            }
            (_, note) => {
                self.diary.note(format!("{} {note}", ctx.actor::<Self>().unwrap().id()));
                Ok("noted".to_owned())
            }
        }
    }
}

const ADD: RouteId = RouteId(11);
const DO: RouteId = RouteId(12);

/// What generated code is for a service of actors.
struct RoomRoutes<const MAILBOX: usize>([RouteSpec; 2]);

impl<const MAILBOX: usize> Routes for RoomRoutes<MAILBOX> {
    fn specs(&self) -> &[RouteSpec] {
        &self.0
    }

    fn actor(&self) -> Option<ActorKind> {
        Some(ActorKind::of::<Room<MAILBOX>>("room"))
    }

    fn call<'a>(&'a self, _: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a> {
        Box::pin(async move {
            let mut room = ctx.enter::<Room<MAILBOX>>()?;
            let answer = room.handle(ctx, text(body).0).await?;
            ctx.reply(&text(answer))
        })
    }
}

/// Handlers of the node: 1 logs in, 2 opens a room and joins it, 3 joins a room, 4 leaves it, 5 notes.
struct Lobby<const MAILBOX: usize> {
    specs: [RouteSpec; 5],
    diary: Diary,
    open: Arc<Semaphore>,
}

impl<const MAILBOX: usize> Lobby<MAILBOX> {
    async fn handle(&self, ctx: &mut Context, index: usize, body: String) -> due::Result<String> {
        match index {
            0 => ctx.bind(Uid(body.parse()?)).await?,
            1 => {
                let room =
                    Room::<MAILBOX> { diary: self.diary.clone(), open: Arc::clone(&self.open), sum: 0, heir: None };
                let room = ctx.node().spawn_actor(&*body, room)?;
                ctx.bind_actor(&room).await?;
            }
            2 => {
                let room = ctx.node().actor::<Room<MAILBOX>>(&body);
                ctx.bind_actor(&room.ok_or_else(|| Error::new(Code::NOT_FOUND, "no such room"))?).await?;
            }
            3 => return Ok(ctx.unbind_actor::<Room<MAILBOX>>().to_string()),
            _ => self.diary.note(&body),
        }
        Ok("done".to_owned())
    }
}

impl<const MAILBOX: usize> Routes for Lobby<MAILBOX> {
    fn specs(&self) -> &[RouteSpec] {
        &self.specs
    }

    fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a> {
        Box::pin(async move {
            let answer = self.handle(ctx, index, text(body).0).await?;
            ctx.reply(&text(answer))
        })
    }
}

fn route(id: i32) -> RouteSpec {
    RouteSpec::new(RouteId(id), "tests.Lobby", "Rpc")
}

/// A lobby and its rooms.
struct World {
    harness: Harness,
    entries: Entries,
    /// Lets as many go on that wait.
    open: Arc<Semaphore>,
}

impl World {
    async fn start() -> Self {
        Self::start_with::<4096>(|builder| builder).await
    }

    async fn start_with<const MAILBOX: usize>(change: impl FnOnce(HarnessBuilder) -> HarnessBuilder) -> Self {
        let (lobby, rooms, entries) = tables::<MAILBOX>(|spec| spec.authorized());
        let open = Arc::clone(&lobby.open);
        let builder = Harness::builder().serve(lobby).serve(rooms);
        Self { harness: change(builder).start().await.unwrap(), entries, open }
    }

    /// A user who is logged in.
    async fn user(&self, uid: i64) -> Client {
        let client = self.harness.client().await.unwrap();
        assert_eq!(ask(&client, 1, &uid.to_string()).await, "done");
        client
    }

    /// Users in a room that the first of them opened.
    async fn room(&mut self, id: &str, uids: &[i64]) -> Vec<Client> {
        let mut users = Vec::new();
        for &uid in uids {
            let user = self.user(uid).await;
            assert_eq!(ask(&user, if users.is_empty() { 2 } else { 3 }, id).await, "done");
            users.push(user);
        }
        self.entries.expect(&[&format!("{id} started")]).await;
        users
    }

    fn actor(&self, id: &str) -> ActorRef<Room> {
        self.harness.node().actor(id).expect("the room is open")
    }
}

/// Both tables of a node: routes of the lobby are 1 to 5, those of rooms [`ADD`] and [`DO`].
fn tables<const MAILBOX: usize>(
    user: impl Fn(RouteSpec) -> RouteSpec,
) -> (Lobby<MAILBOX>, RoomRoutes<MAILBOX>, Entries) {
    let (notes, entries) = mpsc::unbounded_channel();
    let specs = [1, 2, 3, 4, 5].map(route);
    let lobby = Lobby { specs, diary: Diary(notes), open: Arc::new(Semaphore::new(0)) };
    (lobby, RoomRoutes([ADD, DO].map(|id| user(route(id.0)))), Entries(entries))
}

/// With paused time: everything that can happen has happened.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
