//! A gate on KCP, a node, and how many clients have come and gone.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::packet::{Dialect, Format};
use due::transport::kcp::{Kcp, Settings};
use due::{App, Body, Client, Close, Codec, Context, Gate, GateBuilder, Node, Push, PushExt, RouteId, RunningApp, Seq};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub(crate) const ECHO: RouteId = RouteId::new(1);
pub(crate) const NOTIFY: RouteId = RouteId::new(2);
pub(crate) const LEAVE: RouteId = RouteId::new(3);
pub(crate) const WAIT: RouteId = RouteId::new(4);

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Lets one `WAIT` go on.
pub(crate) static GO_ON: Semaphore = Semaphore::const_new(0);
pub(crate) static WAITING: Semaphore = Semaphore::const_new(0);

#[derive(Debug, PartialEq)]
pub(crate) struct Note(pub(crate) Bytes);

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(body.clone()))
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(50);
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// Pushes the body back, twice.
#[due::route(2)]
async fn notify(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.push(&Note(body.0.clone()))?;
    Note(body.0).push(ctx.cluster(), ctx.session()).await?;
    Ok(RawBody(Bytes::new()))
}

#[due::route(3)]
async fn leave(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    for number in 0..20 {
        ctx.push(&Note(vec![number; 4000].into()))?;
    }
    ctx.disconnect(Close::Graceful).await?;
    Ok(RawBody(Bytes::new()))
}

#[due::route(4)]
async fn wait(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    WAITING.add_permits(1);
    GO_ON.acquire().await?.forget();
    Ok(body)
}

pub(crate) struct World {
    pub(crate) app: RunningApp,
    /// Sessions that have begun, and those that have ended.
    sessions: watch::Receiver<(usize, usize)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::fast(), |gate| gate).await
    }

    pub(crate) async fn with(settings: Settings, gate: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let kcp = Kcp::bind("127.0.0.1:0").await.unwrap().settings(settings);
        let (count, sessions) = watch::channel((0, 0));
        let gone = count.clone();
        let builder = Gate::builder()
            .transport(kcp)
            .on_accept(move |_, _| {
                count.send_modify(|(begun, _)| *begun += 1);
                true
            })
            .on_close(move |_, _| gone.send_modify(|(_, ended)| *ended += 1));
        let node = Node::builder().serve(due::routes![echo, notify, leave, wait]).build().unwrap();
        let app = App::new().gate(gate(builder).build()).node(node).start().await.unwrap();
        Self { app, sessions }
    }

    pub(crate) fn url(&self) -> &str {
        self.app.addresses().next().unwrap()
    }

    /// `host:port`
    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.url().strip_prefix("kcp://").unwrap().parse().unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::builder().kcp(Settings::fast()).connect(self.url()).await.unwrap()
    }

    pub(crate) fn sessions(&self) -> (usize, usize) {
        *self.sessions.borrow()
    }

    pub(crate) async fn until(&self, begun: usize, ended: usize) {
        let mut sessions = self.sessions.clone();
        let reached = sessions.wait_for(|sessions| *sessions == (begun, ended));
        if timeout(PATIENCE, reached).await.is_err() {
            panic!("{:?} instead of {:?}", self.sessions(), (begun, ended));
        }
    }
}

pub(crate) fn packet(route: RouteId, seq: i32, body: &[u8]) -> Vec<u8> {
    Format::new().encode(route, Seq(seq), body).unwrap().to_vec()
}

pub(crate) fn heartbeat() -> Vec<u8> {
    Format::new().heartbeat(Dialect::Sized, 0).to_vec()
}

pub(crate) async fn echoes(client: &Client, body: Vec<u8>) {
    let answer: RawBody = client.request(ECHO, &RawBody(body.clone().into())).await.unwrap();
    assert!(answer.0 == body, "{} bytes for {}", answer.0.len(), body.len());
}
