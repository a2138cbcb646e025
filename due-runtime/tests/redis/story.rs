//! Gates and nodes in processes of their own that share a redis, and players who are at it while it goes and comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use due::codec::RawBody;
use due::event::RedisBus;
use due::locator::RedisLocator;
use due::registry::MemoryRegistry;
use due::{App, Backends, CallError, Client, Code, Context, Gate, Nid, Node, RouteId, RunningApp, TcpLink, Uid};

use crate::support::redis::{Server, until};

#[due::route(1)]
async fn login(ctx: &mut Context, uid: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(std::str::from_utf8(&uid.0)?.parse()?)).await?;
    ctx.bind_node().await?;
    Ok(RawBody(ctx.nid().as_str().as_bytes().to_vec().into()))
}

#[due::route(2, stateful)]
async fn play(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(ctx.nid().as_str().as_bytes().to_vec().into()))
}

#[due::route(3, stateful)]
async fn leave(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(Bytes::from(if ctx.unbind_node().await? { "left" } else { "was elsewhere" })))
}

#[due::route(4)]
async fn announce(ctx: &mut Context, text: RawBody) -> due::Result<()> {
    ctx.cluster().events().publish("news", std::str::from_utf8(&text.0)?).await?;
    Ok(())
}

struct Fleet {
    redis: Server,
    registry: MemoryRegistry,
    gates: Vec<RunningApp>,
    nodes: Vec<RunningApp>,
}

impl Fleet {
    /// Two gates and two nodes. What each has of redis is its own, as in processes of their own.
    async fn start() -> Self {
        let mut this =
            Self { redis: Server::start(), registry: MemoryRegistry::new(), gates: Vec::new(), nodes: Vec::new() };
        for nid in ["n1", "n2"] {
            let node = Node::builder().id(nid).serve(due::routes![login, play, leave, announce]).build().unwrap();
            this.nodes.push(App::new().backends(this.backends()).node(node).start().await.unwrap());
        }
        for gid in ["g1", "g2"] {
            let gate = Gate::builder().id(gid).transport(due::transport::tcp::Tcp::bind("127.0.0.1:0").await.unwrap());
            this.gates.push(App::new().backends(this.backends()).gate(gate.build()).start().await.unwrap());
        }
        this
    }

    fn backends(&self) -> Backends {
        let redis = self.redis.redis();
        Backends::memory()
            .registry(self.registry.clone())
            .locator(RedisLocator::new(&redis))
            .event_bus(RedisBus::new(&redis))
            .link(TcpLink::new().addr("127.0.0.1:0"))
    }

    async fn player(&self, gate: usize) -> Player {
        let url = self.gates[gate].addresses().next().expect("one listener");
        Player { client: Client::builder().connect(url).await.unwrap() }
    }

    async fn stop(self) {
        for app in self.gates.into_iter().chain(self.nodes) {
            app.stop().await;
        }
    }
}

struct Player {
    client: Client,
}

impl Player {
    async fn ask(&self, route: i32, text: &str) -> Result<String, CallError> {
        let RawBody(answer) = self.client.request(RouteId(route), &RawBody(text.as_bytes().to_vec().into())).await?;
        Ok(String::from_utf8(answer.to_vec()).unwrap())
    }

    async fn login(&self, uid: i64) -> Result<String, CallError> {
        self.ask(1, &uid.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_plays_goes_on_while_redis_is_away_and_who_comes_is_told() {
    let mut fleet = Fleet::start().await;
    let mut players = Vec::new();
    for uid in 1..=8 {
        let player = fleet.player(uid as usize % 2).await;
        let nid = player.login(uid).await.unwrap();
        players.push((player, nid));
    }
    for (player, nid) in &players {
        assert_eq!(player.ask(2, "").await.unwrap(), *nid);
    }
    // Both gates and both nodes remember when what they heard has been dealt with.
    let mut raw = fleet.redis.raw().await;
    until(async || {
        let before = commands(&mut raw).await;
        for (player, nid) in &players {
            assert_eq!(player.ask(2, "").await.unwrap(), *nid);
        }
        commands(&mut raw).await == before + 1
    })
    .await;

    fleet.redis.kill();
    let newcomer = fleet.player(0).await;
    for (player, nid) in &players {
        assert_eq!(player.ask(2, "").await.unwrap(), *nid);
    }
    let begun = Instant::now();
    let told = newcomer.login(9).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let CallError::Status(told) = told else { panic!("{told:?}") };
    assert_eq!(told.code(), Code::INTERNAL);
    for _ in 0..20 {
        for (player, nid) in &players {
            assert_eq!(player.ask(2, "").await.unwrap(), *nid);
        }
    }

    fleet.redis.revive();
    until(async || newcomer.login(9).await.is_ok()).await;
    newcomer.ask(2, "").await.unwrap();
    for (player, nid) in &players {
        assert_eq!(player.ask(2, "").await.unwrap(), *nid);
    }
    // Moved behind the backs of all.
    let cluster = due::Cluster::connect(&fleet.backends()).await.unwrap();
    for (uid, (player, nid)) in (1..).zip(&players) {
        let other = if nid == "n1" { "n2" } else { "n1" };
        cluster.bind_node(Uid(uid), "node", &Nid::from(other)).await.unwrap();
        until(async || player.ask(2, "").await.is_ok_and(|nid| nid == other)).await;
        assert_eq!(player.ask(3, "").await.unwrap(), "left");
    }
    drop(cluster);
    newcomer.client.close().await;
    for (player, _) in players {
        player.client.close().await;
    }
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_announces_is_heard_in_other_processes() {
    let fleet = Fleet::start().await;
    let cluster = due::Cluster::connect(&fleet.backends()).await.unwrap();
    let mut news = cluster.events().subscribe("news").await.unwrap();
    let player = fleet.player(0).await;
    player.ask(4, "it rains").await.unwrap();
    assert_eq!(news.next().await.unwrap().payload, "it rains");
    drop(cluster);
    player.client.close().await;
    fleet.stop().await;
}

/// How many commands redis has carried out.
async fn commands(raw: &mut crate::support::redis::Raw) -> u64 {
    let info = raw.ask(&["INFO", "stats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
    line.trim().parse().unwrap()
}
