//! What is served in these tests, and by whom.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::locator::{Locator, MemoryLocator};
use due::packet::{Dialect, Format, Frame, Packet};
use due::transport::{Inbound, PacketRead, PacketWrite};
use due::{
    App, Audience, Backends, Body, CallError, Client, Cluster, Codec, Context, Gate, GateBuilder, Node, Push, RouteId,
    RunningApp, Seq, Uid,
};
use tokio::time::{Instant, sleep};

use crate::sim::{Line, Net, SimRead, SimWrite, Weather, network};

/// How often both sides send heartbeats.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

pub(crate) const ECHO: RouteId = RouteId(1);
pub(crate) const LOGIN: RouteId = RouteId(2);
pub(crate) const WORK: RouteId = RouteId(3);

/// Answers at once with what it was sent.
#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// The user is a decimal number.
#[due::route(2)]
async fn login(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(number(&body.0) as i64)).await?;
    Ok(body)
}

/// Answers after so many milliseconds.
#[due::route(3)]
async fn work(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    let _running = Running::new();
    sleep(Duration::from_millis(number(&body.0))).await;
    Ok(body)
}

thread_local!(static RUNNING: Arc<AtomicUsize> = Arc::default());

/// Every test has a thread of its own.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new() -> Self {
        let running = RUNNING.with(Arc::clone);
        running.fetch_add(1, Ordering::Relaxed);
        Self(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Requests of [`WORK`] that have begun and not ended.
pub(crate) fn running() -> usize {
    RUNNING.with(|running| running.load(Ordering::Relaxed))
}

pub(crate) fn number(body: &[u8]) -> u64 {
    std::str::from_utf8(body).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// A push that says nothing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Tick;

impl Body for Tick {
    const NAME: &'static str = "Tick";

    fn encode_body(&self, _: &Codec, _: &mut BytesMut) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode_body(_: &Codec, _: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl Push for Tick {
    const ROUTE: RouteId = RouteId::new(50);
}

/// Two gates and a node behind a simulated network.
pub(crate) struct Game {
    pub(crate) app: RunningApp,
    /// The way to the gate that most tests use.
    pub(crate) net: Net,
    /// The way to the other one.
    pub(crate) other: Net,
    pub(crate) locator: MemoryLocator,
    pub(crate) format: Format,
}

impl Game {
    pub(crate) async fn start(seed: u64) -> Self {
        Self::start_with(seed, |gate| gate).await
    }

    pub(crate) async fn start_with(seed: u64, settings: impl Fn(GateBuilder) -> GateBuilder) -> Self {
        let ((near, net), (far, other)) = (network(seed), network(!seed));
        let locator = MemoryLocator::new();
        let gate = |transport| settings(Gate::builder().heartbeat_interval(INTERVAL)).transport(transport).build();
        let node = Node::builder().serve(due::routes![echo, login, work]).build().unwrap();
        let backends = Backends::memory().locator(locator.clone());
        let app = App::new().backends(backends).gate(gate(near)).gate(gate(far)).node(node);
        let app = app.start().await.unwrap();
        Self { app, net, other, locator, format: Format::new() }
    }

    pub(crate) async fn client(&self, weather: Weather) -> (Client, Line) {
        client(&self.net, weather).await
    }

    /// A client that is logged in.
    pub(crate) async fn user(&self, uid: Uid, weather: Weather) -> (Client, Line) {
        user(&self.net, uid, weather).await
    }

    pub(crate) async fn raw(&self, weather: Weather) -> (RawRead, RawWrite, Line) {
        let (read, write, line) = self.net.connect(&self.format, weather).await.unwrap();
        (RawRead { read, format: self.format.clone() }, RawWrite { write, format: self.format.clone() }, line)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.app.cluster().unwrap()
    }

    pub(crate) async fn sessions(&self) -> u64 {
        self.cluster().stat(Audience::Sessions).await.delivered
    }

    /// Waits until no session is left, and checks that nothing else is; says how long that took.
    pub(crate) async fn until_empty(&self) -> Duration {
        let begun = Instant::now();
        while self.sessions().await > 0 || running() > 0 {
            assert!(begun.elapsed() < 10 * INTERVAL, "{} sessions, {} requests", self.sessions().await, running());
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.cluster().stat(Audience::Users).await.delivered, 0);
        begun.elapsed()
    }

    pub(crate) async fn is_known(&self, uid: Uid) -> bool {
        self.locator.locate_gate(uid).await.unwrap().is_some()
    }
}

async fn client(net: &Net, weather: Weather) -> (Client, Line) {
    let (read, write, line) = net.connect(&Format::new(), weather).await.unwrap();
    (Client::builder().heartbeat(INTERVAL).over(read, write), line)
}

/// A client that is logged in.
pub(crate) async fn user(net: &Net, uid: Uid, weather: Weather) -> (Client, Line) {
    let (client, line) = client(net, weather).await;
    ask(&client, LOGIN, &uid.to_string()).await.unwrap();
    (client, line)
}

pub(crate) async fn ask(client: &Client, route: RouteId, body: &str) -> Result<String, CallError> {
    let answer: RawBody = client.request(route, &RawBody(Bytes::copy_from_slice(body.as_bytes()))).await?;
    Ok(String::from_utf8(answer.0.to_vec()).unwrap())
}

/// What a client sees that compares every packet.
pub(crate) struct RawRead {
    read: SimRead,
    format: Format,
}

impl RawRead {
    /// The next packet; `None` when the gate has closed.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        loop {
            let Some(Inbound::Unit(unit)) = self.read.read().await.unwrap() else { return None };
            if let Frame::Packet(packet) = self.format.parse(unit).unwrap() {
                return Some(packet);
            }
        }
    }
}

pub(crate) struct RawWrite {
    write: SimWrite,
    format: Format,
}

impl RawWrite {
    pub(crate) async fn send(&mut self, route: RouteId, seq: i32, body: &str) -> io::Result<()> {
        let packet = self.format.encode(route, Seq(seq), body.as_bytes()).unwrap();
        self.write.write(&mut vec![packet], Dialect::Sized).await
    }
}
