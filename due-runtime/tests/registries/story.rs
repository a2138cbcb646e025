//! Gates and nodes, each as if it were a process of its own, that find each other through a real server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::locator::MemoryLocator;
use due::registry::{ConsulRegistry, EtcdRegistry, Kind, Registry};
use due::{App, Backends, CallError, Client, Codec, Context, Gate, Node, RouteId, RunningApp, TcpLink};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Consul, Etcd};
use crate::{Server, soon, until, until_true};

#[due::route(1)]
async fn who(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(Bytes::from(ctx.nid().to_string())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_may_restart() {
    players_notice_nothing::<Etcd, _>(etcd, Server::start_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_may_lose_its_data() {
    players_notice_nothing::<Etcd, _>(etcd, Server::start_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consul_may_restart() {
    players_notice_nothing::<Consul, _>(consul, Server::start_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consul_may_lose_its_memory() {
    players_notice_nothing::<Consul, _>(consul, Server::start_empty).await;
}

fn etcd(addr: String) -> EtcdRegistry {
    EtcdRegistry::new().addrs([addr]).retry_interval(Duration::from_secs(2))
}

fn consul(addr: String) -> ConsulRegistry {
    ConsulRegistry::new()
        .addr(addr)
        .health_check_interval(Duration::from_secs(1))
        .health_check_timeout(Duration::from_secs(1))
        .heartbeat_check_interval(Duration::from_secs(5))
}

async fn players_notice_nothing<S: Server, R: Registry>(registry: fn(String) -> R, start: fn(&mut S)) {
    let mut server = S::start();
    let (addr, locator) = (server.addr(), MemoryLocator::new());
    // Every process has a registry of its own.
    let app = || {
        let backends = Backends::memory().codec(Codec::Json).registry(registry(addr.clone())).locator(locator.clone());
        App::new().backends(backends.link(TcpLink::new().addr("127.0.0.1:0")))
    };
    let node = async |nid: &str| {
        let node = Node::builder().id(nid.to_owned()).serve(due::routes![who]).build().unwrap();
        app().node(node).start().await.unwrap()
    };
    let (n1, n2) = (node("n1").await, node("n2").await);
    let gate = app().gate(Gate::builder().id("g1").tcp("127.0.0.1:0").build()).start().await.unwrap();
    let observer = registry(addr.clone());
    until(&mut observer.watch(Kind::Node).await.unwrap(), |list| list.len() == 2).await;
    drop(observer);

    let players = Players::start(&gate).await;
    players.hear(&["n1", "n2"]).await;
    server.kill();
    players.hear(&["n1", "n2"]).await;
    tokio::time::sleep(S::GRACE).await;
    players.hear(&["n1", "n2"]).await;
    start(&mut server);
    until_true(|| server.state_of(Kind::Node, "n1").is_some()).await;
    // Longer than anybody is awaited.
    tokio::time::sleep(S::GRACE * 2).await;
    players.hear(&["n1", "n2"]).await;

    let n3 = node("n3").await;
    players.hear(&["n1", "n2", "n3"]).await;
    n1.stop().await;
    assert_eq!(server.state_of(Kind::Node, "n1"), None);
    players.hear(&["n2", "n3"]).await;
    players.stop().await;
    // An outage is no reason not to stop.
    server.kill();
    tokio::join!(gate.stop(), n2.stop(), n3.stop());
}

async fn ask(client: &Client) -> Result<RawBody, CallError> {
    client.request(RouteId(1), &RawBody(Bytes::new())).await
}

/// They ask all the time.
struct Players {
    answers: Arc<Mutex<BTreeMap<String, usize>>>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Players {
    async fn start(gate: &RunningApp) -> Self {
        let mut this = Self { answers: Arc::default(), tasks: JoinSet::new(), stop: CancellationToken::new() };
        for _ in 0..4 {
            let client = Client::builder().codec(Codec::Json).connect(gate.addresses().next().unwrap()).await.unwrap();
            // The gate hears of the nodes a little later than the test may have.
            soon(async {
                while let Err(CallError::Status(_)) = ask(&client).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            let (answers, stop) = (Arc::clone(&this.answers), this.stop.clone());
            this.tasks.spawn(async move {
                while !stop.is_cancelled() {
                    let RawBody(nid) = ask(&client).await.expect("an answer");
                    *answers.lock().unwrap().entry(String::from_utf8_lossy(&nid).into_owned()).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        this
    }

    /// Until each of these has answered a while, from now on.
    async fn hear(&self, nids: &[&str]) {
        self.answers.lock().unwrap().clear();
        let have_answered = || {
            let answers = self.answers.lock().unwrap();
            nids.iter().all(|nid| answers.get(*nid).is_some_and(|&count| count > 50))
        };
        until_true(have_answered).await;
    }

    /// Every request has had an answer.
    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(result) = self.tasks.join_next().await {
            result.unwrap();
        }
    }
}
