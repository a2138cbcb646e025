//! Two gates, two nodes and a master, each as if it were a process of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::locator::MemoryLocator;
use due::master::MasterBuilder;
use due::registry::MemoryRegistry;
use due::{App, Backends, Body, Client, Codec, Context, Gate, Master, Node, Push, RouteId, RunningApp, TcpLink, Uid};
use serde_json::Value;

use crate::support::{Answer, http};

pub(crate) const TOKEN: &str = "a token of the suite";
const SOON: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) registry: MemoryRegistry,
    pub(crate) gates: Vec<RunningApp>,
    pub(crate) nodes: Vec<RunningApp>,
    pub(crate) api: Api,
    pub(crate) master: RunningApp,
}

/// Who asks a master.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
}

#[due::route(1)]
async fn who(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(text(ctx.nid().as_str()))
}

#[due::route(2)]
async fn login(ctx: &mut Context, uid: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(std::str::from_utf8(&uid.0)?.parse()?)).await?;
    ctx.bind_node().await?;
    ctx.subscribe("lobby").await?;
    Ok(text(&format!("{} {}", ctx.gid(), ctx.cid())))
}

#[due::route(3, stateful, authorized)]
async fn play(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(text(ctx.nid().as_str()))
}

pub(crate) fn text(text: &str) -> RawBody {
    RawBody(Bytes::copy_from_slice(text.as_bytes()))
}

impl World {
    /// The name goes before every id: what is counted is counted for the whole process of the tests.
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_with(name, |master| master).await
    }

    pub(crate) async fn start_with(name: &'static str, set: impl FnOnce(MasterBuilder) -> MasterBuilder) -> Self {
        let (registry, locator) = (MemoryRegistry::new(), MemoryLocator::new());
        let backends = || backends().registry(registry.clone()).locator(locator.clone());
        let (mut gates, mut nodes) = (Vec::new(), Vec::new());
        for index in 1..=2 {
            nodes.push(node(backends(), &format!("{name}-n{index}")).await);
            gates.push(gate(backends(), &format!("{name}-g{index}")).await);
        }
        for node in &nodes {
            // Gates that came later.
            until(async || node.cluster().unwrap().instances(due::registry::Kind::Gate).await.unwrap().len() == 2)
                .await;
        }
        let master = set(Master::builder().listen("127.0.0.1:0").token(TOKEN));
        let master = App::new().backends(backends()).master(master).start().await.unwrap();
        let api = Api::of(&master);
        Self { registry, gates, nodes, api, master }
    }

    pub(crate) async fn client(&self, gate: usize) -> Client {
        client(&self.gates[gate]).await
    }

    /// A client with a user, and its gate and cid.
    pub(crate) async fn player(&self, gate: usize, uid: i64) -> (Client, String, i64) {
        let client = self.client(gate).await;
        let session = ask(&client, 2, &uid.to_string()).await;
        let (gid, cid) = session.split_once(' ').unwrap();
        (client, gid.to_owned(), cid.parse().unwrap())
    }

    pub(crate) async fn stop(self) {
        self.master.stop().await;
        for app in self.gates.into_iter().chain(self.nodes) {
            app.stop().await;
        }
    }
}

pub(crate) fn backends() -> Backends {
    Backends::memory().codec(Codec::Json).link(TcpLink::new().addr("127.0.0.1:0").in_process(false))
}

pub(crate) async fn gate(backends: Backends, gid: &str) -> RunningApp {
    let gate = Gate::builder().id(gid.to_owned()).tcp("127.0.0.1:0");
    App::new().metrics("127.0.0.1:0").backends(backends).gate(gate).start().await.unwrap()
}

pub(crate) async fn node(backends: Backends, nid: &str) -> RunningApp {
    let node = Node::builder().id(nid.to_owned()).name("game").serve(due::routes![who, login, play]).build().unwrap();
    App::new().metrics("127.0.0.1:0").backends(backends).node(node).start().await.unwrap()
}

pub(crate) async fn client(gate: &RunningApp) -> Client {
    Client::builder().codec(Codec::Json).connect(gate.addresses().next().unwrap()).await.unwrap()
}

pub(crate) async fn ask(client: &Client, route: i32, body: &str) -> String {
    let RawBody(answer) = client.request(RouteId(route), &text(body)).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

impl Api {
    pub(crate) fn of(app: &RunningApp) -> Self {
        let page = app.master_page().unwrap();
        let (addr, token) = page.strip_prefix("http://").unwrap().split_once("/#").unwrap();
        Self { addr: addr.parse().unwrap(), token: token.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("PUT", path, Some(body)).await
    }

    /// Below `/api/v1/`.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
        let body = body.map_or_else(String::new, |body| body.to_string());
        let Answer { status, body } = self.raw(method, &format!("/api/v1/{path}"), &headers, &body).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let port = self.addr.port();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        let [method, path, body] = [method, path, body].map(str::to_owned);
        let call = move || {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            http(port, &method, &path, &headers, &body).unwrap()
        };
        tokio::task::spawn_blocking(call).await.unwrap()
    }
}

/// What the API says of a failure.
pub(crate) fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

/// Other processes hear of it in their own time.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < SOON, "it has not come to be so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A push whose body is its text.
#[derive(Debug, PartialEq)]
pub(crate) struct Note(pub(crate) String);

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(String::from_utf8_lossy(body).into_owned()))
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(50);
}
