//! Calls of nodes to nodes: one suite over memory and over TCP; and raw peers that speak drpc byte by byte.

mod calls;
#[cfg(feature = "tls")]
#[allow(dead_code)]
#[path = "../link/certificates.rs"]
mod certificates;
mod limits;
mod losses;
#[allow(dead_code)]
#[path = "../link/raw.rs"]
mod raw;
mod wire;
#[allow(dead_code)]
#[path = "../link/world.rs"]
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use due::codec::RawBody;
use due::{
    App, Context, Node, NodeBuilder, NodeCallError, NodeCaller, NodeTarget, RouteId, RouteSpec, RunningApp, TcpLink,
};
use tokio::sync::{Notify, Semaphore};

use crate::world::World;

/// How long anything may take to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

static ECHO: RouteSpec = RouteSpec::new(RouteId(1), "tests.Peers", "Echo");
static WHERE: RouteSpec = RouteSpec::new(RouteId(2), "tests.Peers", "Where").stateful();
static REFUSE: RouteSpec = RouteSpec::new(RouteId(3), "tests.Peers", "Refuse");
static PANIC: RouteSpec = RouteSpec::new(RouteId(4), "tests.Peers", "Panic");
static WAIT: RouteSpec = RouteSpec::new(RouteId(5), "tests.Peers", "Wait");
static PING: RouteSpec = RouteSpec::new(RouteId(6), "tests.Peers", "Ping");
static RELAY: RouteSpec = RouteSpec::new(RouteId(7), "tests.Peers", "Relay");
static NOBODYS: RouteSpec = RouteSpec::new(RouteId(77), "tests.Peers", "Nobodys");

fn raw(text: impl Into<String>) -> RawBody {
    RawBody(text.into().into())
}

fn text(body: &RawBody) -> String {
    String::from_utf8(body.0.to_vec()).unwrap()
}

#[due::route(1, internal)]
async fn echo(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(raw(format!("{} at {}", text(&body), ctx.nid())))
}

#[due::route(2, stateful)]
async fn whereabouts(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(raw(format!("{} at {}", ctx.user()?, ctx.nid())))
}

#[due::route(3)]
async fn refuse(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Err(due::Error::new(42, "not today"))
}

#[due::route(4)]
async fn panic(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    panic!("on purpose")
}

/// What the handlers of route 5 have to do with their test, by its name.
struct Gate {
    begun: Notify,
    go: Semaphore,
    handled: AtomicUsize,
}

static GATE: Gates = Gates(std::sync::Mutex::new(std::collections::BTreeMap::new()));

struct Gates(std::sync::Mutex<std::collections::BTreeMap<String, &'static Gate>>);

impl Gates {
    fn of(&self, test: &str) -> &'static Gate {
        self.0.lock().unwrap().entry(test.to_owned()).or_insert_with(|| {
            let gate = Gate { begun: Notify::new(), go: Semaphore::new(0), handled: AtomicUsize::new(0) };
            Box::leak(Box::new(gate))
        })
    }
}

#[due::route(5)]
async fn wait(_: &mut Context, test: RawBody) -> due::Result<RawBody> {
    let gate = GATE.of(&text(&test));
    gate.handled.fetch_add(1, Ordering::SeqCst);
    gate.begun.notify_one();
    gate.go.acquire().await?.forget();
    Ok(raw("went"))
}

/// `number` times more to and fro between two nodes that both serve this.
#[due::route(6)]
async fn ping(ctx: &mut Context, number: RawBody) -> due::Result<RawBody> {
    let number: u32 = text(&number).parse()?;
    if number == 0 {
        return Ok(raw(ctx.nid().as_str()));
    }
    let other = if ctx.nid().as_str() == "a" { "b" } else { "a" };
    let caller = NodeCaller::from(ctx.cluster());
    let answer: RawBody = caller.call(&PING, due::Nid::from(other), &raw((number - 1).to_string()), None).await?;
    Ok(raw(format!("{}{}", ctx.nid(), text(&answer))))
}

/// What the other node says, it says.
#[due::route(7)]
async fn relay(ctx: &mut Context, to: RawBody) -> due::Result<RawBody> {
    Ok(NodeCaller::from(ctx.cluster()).call(&REFUSE, due::Nid::from(text(&to)), &raw(""), None).await?)
}

fn lobby() -> NodeBuilder {
    Node::builder().name("lobby").serve(due::routes![echo, whereabouts, refuse, panic, wait, ping, relay])
}

async fn call(
    app: &RunningApp,
    spec: &'static RouteSpec,
    to: impl Into<NodeTarget>,
    body: &str,
) -> Result<String, NodeCallError> {
    let caller = NodeCaller::from(app.cluster().unwrap());
    caller.call::<_, RawBody>(spec, to, &raw(body), None).await.map(|answer| text(&answer))
}

/// These nodes, once each knows all.
async fn nodes<const N: usize>(world: &World, ids: [&str; N]) -> [RunningApp; N] {
    let mut apps = Vec::new();
    for id in ids {
        apps.push(world.node(id, lobby()).await);
    }
    for app in &apps {
        for id in ids {
            meet(app, id).await;
        }
    }
    apps.try_into().ok().unwrap()
}

/// Waits until a node can be called.
async fn meet(app: &RunningApp, id: &str) {
    let known = async {
        while call(app, &ECHO, due::Nid::from(id), "").await.is_err() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
}

/// A node that has one connection to each other, and serves nothing.
async fn asker(world: &World) -> RunningApp {
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    App::new().backends(backends).node(Node::builder().id("a").name("asker").build().unwrap()).start().await.unwrap()
}
