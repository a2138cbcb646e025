//! Gate and node of ours, each a process with the runtime that `#[tokio::main]` makes.

use std::io::{self, BufRead};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody, SerdeBody};
use due::locator::RedisLocator;
use due::redis::Redis;
use due::registry::EtcdRegistry;
use due::{App, Audience, Backends, Body, Codec, Context, Gate, Node, Push, RouteId, TcpLink, Uid};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::broadcast::NEWS;
use crate::fleet::HEARTBEAT;

pub(crate) const GATE: &str = "serve-gate";
pub(crate) const NODE: &str = "serve-node";
/// How many threads a server has; as many as there are cores if it is not set. With 1 there is no pool of them.
const THREADS: &str = "DUE_BENCH_THREADS";

#[derive(Serialize, Deserialize)]
struct Message {
    message: String,
}

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn echo_json(_: &mut Context, body: SerdeBody<Message>) -> due::Result<SerdeBody<Message>> {
    Ok(body)
}

/// The body is a uid with spaces behind it, and so is the answer.
#[due::route(3)]
async fn bind(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(std::str::from_utf8(&body.0)?.trim().parse()?)).await?;
    Ok(body)
}

struct News(RawBody);

impl Body for News {
    const NAME: &'static str = "news";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.0.encode_body(codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        RawBody::decode_body(codec, body).map(Self)
    }
}

impl Push for News {
    const ROUTE: RouteId = RouteId(NEWS);
}

/// The arguments are the addresses of redis and etcd.
pub(crate) fn gate(args: &[String]) {
    runtime().block_on(async {
        let gate = Gate::builder().tcp("127.0.0.1:0").max_sessions(usize::MAX).heartbeat_interval(HEARTBEAT).build();
        let app = App::new().backends(backends(args)).gate(gate).start().await.expect("backends and a free port");
        println!("{}", app.addresses().next().expect("one listener"));
        std::future::pending().await
    })
}

/// Every line that it is told is a number of broadcasts, and the first of them in base64.
pub(crate) fn node(args: &[String]) {
    runtime().block_on(async {
        let node = Node::builder().serve(due::routes![echo, echo_json, bind]).build().expect("three routes");
        let app = App::new().backends(backends(args)).node(node).start().await.expect("backends and a free port");
        let mut orders = orders();
        let cluster = app.cluster().expect("there is a node");
        while let Some(order) = orders.recv().await {
            let (count, body) = order.split_once(' ').expect("two words");
            let mut body = BASE64.decode(body).expect("base64");
            for _ in 0..count.parse().expect("a number") {
                let news = News(RawBody(body.clone().into()));
                cluster.broadcast(Audience::Sessions, &news).await.expect("it can be written");
                let (number, _) = body.split_first_chunk_mut().expect("eight bytes");
                *number = (u64::from_be_bytes(*number) + 1).to_be_bytes();
            }
        }
    });
}

fn backends(args: &[String]) -> Backends {
    let [redis, etcd] = args else { panic!("not two arguments") };
    let redis = Redis::builder().addr(redis).build().expect("an address");
    Backends::memory()
        .locator(RedisLocator::new(&redis))
        .registry(EtcdRegistry::new().addrs([etcd]))
        .codec(Codec::Json)
        .link(TcpLink::new().addr("127.0.0.1:0"))
}

/// Gate and node share the machine: each has a thread for every other core, unless it is said otherwise.
fn runtime() -> Runtime {
    let share = || std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    let threads =
        std::env::var(THREADS).map_or_else(|_| share(), |threads| threads.parse().expect("a number of threads"));
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().expect("a runtime")
}

/// The lines that the parent process sends.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (send, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let sent = |line: io::Result<String>| send.send(line.expect("text")).is_ok();
        io::stdin().lock().lines().all(sent)
    });
    orders
}
