//! Servers that remember where users are, and what happens when they are wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use due::codec::RawBody;
use due::locator::{Change, Changes, LocateError, Locator, MemoryLocator};
use due::transport::mem::{self, MemConnector};
use due::{
    App, Backends, BoxFuture, Client, Cluster, ClusterError, Context, DuplicateLogin, Gate, Gid, Nid, Node, RouteId,
    RunningApp, Target, Uid,
};
use tokio::sync::{Semaphore, broadcast};

/// Answers as its memory does, counts the questions, and reports what the test tells it to.
#[derive(Clone, Debug)]
struct Rumours {
    truth: MemoryLocator,
    asked: Arc<AtomicUsize>,
    changes: Arc<Mutex<broadcast::Sender<Change>>>,
    /// So many servers are not told of changes, and ask every time. Nodes start before gates.
    deaf: Arc<AtomicUsize>,
    /// After so many questions for the node of this user, further ones wait for `go`.
    held: Arc<Mutex<Option<(Uid, usize)>>>,
    go: Arc<Semaphore>,
}

impl Rumours {
    fn new(deaf: usize) -> Self {
        let (asked, deaf) = (Arc::default(), Arc::new(AtomicUsize::new(deaf)));
        let (changes, go) = (Arc::new(Mutex::new(broadcast::channel(16).0)), Arc::new(Semaphore::new(0)));
        Self { truth: MemoryLocator::new(), asked, changes, deaf, held: Arc::default(), go }
    }

    fn tell(&self, change: Change) {
        self.changes.lock().unwrap().send(change).unwrap();
    }

    /// Nothing is told any more to those who listen.
    fn fall_silent(&self) {
        *self.changes.lock().unwrap() = broadcast::channel(16).0;
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Locator for Rumours {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        self.truth.bind_gate(uid, gid)
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.truth.unbind_gate(uid, gid)
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.truth.locate_gate(uid)
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        self.truth.bind_node(uid, name, nid)
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.truth.unbind_node(uid, name, nid)
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let waits = match &mut *self.held.lock().unwrap() {
            Some((held, 0)) if *held == uid => true,
            Some((held, left)) if *held == uid => {
                *left -= 1;
                false
            }
            _ => false,
        };
        Box::pin(async move {
            if waits {
                self.go.acquire().await.unwrap().forget();
            }
            self.truth.locate_node(uid, name).await
        })
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        self.truth.locate_nodes(uid)
    }

    fn changes(&self) -> Option<Changes> {
        let told = self.deaf.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |deaf| deaf.checked_sub(1)).is_err();
        told.then(|| Changes::new(self.changes.lock().unwrap().subscribe()))
    }
}

#[due::route(1)]
async fn login(ctx: &mut Context, uid: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(std::str::from_utf8(&uid.0)?.parse()?)).await?;
    Ok(uid)
}

#[due::route(2, stateful)]
async fn who(ctx: &mut Context, number: RawBody) -> due::Result<RawBody> {
    Ok(RawBody([ctx.nid().as_str().as_bytes(), b" ", &number.0].concat().into()))
}

struct Ping;

impl due::Body for Ping {
    const NAME: &'static str = "Ping";

    fn encode_body(&self, _: &due::Codec, _: &mut bytes::BytesMut) -> Result<(), due::codec::EncodeError> {
        Ok(())
    }

    fn decode_body(_: &due::Codec, _: &bytes::Bytes) -> Result<Self, due::codec::DecodeError> {
        Ok(Self)
    }
}

impl due::Push for Ping {
    const ROUTE: RouteId = RouteId(9);
}

struct World {
    app: RunningApp,
    backends: Backends,
    locator: Rumours,
    cluster: Cluster,
    gates: [MemConnector; 2],
}

impl World {
    /// Two gates, two nodes.
    async fn start(deaf: usize) -> Self {
        let locator = Rumours::new(deaf);
        let backends = Backends::memory().locator(locator.clone());
        let mut app = App::new().backends(backends.clone());
        let mut gates = Vec::new();
        for gid in ["g1", "g2"] {
            let (transport, connector) = mem::listener();
            app = app.gate(Gate::builder().id(gid).transport(transport).duplicate_login(DuplicateLogin::Keep).build());
            gates.push(connector);
        }
        for nid in ["n1", "n2"] {
            app = app.node(Node::builder().id(nid).serve(due::routes![login, who]).build().unwrap());
        }
        let app = app.start().await.unwrap();
        let cluster = Cluster::connect(&backends).await.unwrap();
        Self { app, backends, locator, cluster, gates: gates.try_into().unwrap() }
    }

    async fn client(&self, gate: usize, uid: i64) -> Client {
        let (read, write) = self.gates[gate].connect(Arc::default()).await.unwrap();
        let client = Client::builder().over(read, write);
        let _: RawBody = client.request(RouteId(1), &RawBody(uid.to_string().into())).await.unwrap();
        client
    }
}

#[tokio::test]
async fn a_gate_is_remembered_and_a_miss_corrects_it() {
    let world = World::start(0).await;
    let first = world.client(0, 7).await;
    for _ in 0..3 {
        world.cluster.push(Uid(7), &Ping).await.unwrap();
    }
    assert_eq!(world.locator.asked(), 1);

    // He moves to another gate, and nobody tells.
    let second = world.client(1, 7).await;
    let mut pings = second.pushes::<Ping>();
    first.close().await;
    let online = async || world.cluster.is_online(Target::Session(Gid::from("g1"), due::Cid(1))).await.unwrap();
    // The gate that he left looks whether he plays on elsewhere.
    while online().await || world.locator.asked() == 0 {
        tokio::task::yield_now().await;
    }
    world.cluster.push(Uid(7), &Ping).await.unwrap();
    pings.next().await.unwrap().unwrap();
    assert_eq!(world.locator.asked(), 1, "asked once more");
    world.cluster.push(Uid(7), &Ping).await.unwrap();
    assert_eq!(world.locator.asked(), 0);

    // He leaves, and nobody tells.
    world.locator.truth.unbind_gate(Uid(7), &Gid::from("g2")).await.unwrap();
    second.close().await;
    let pushed = loop {
        match world.cluster.push(Uid(7), &Ping).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(pushed, ClusterError::NoSession(_)), "{pushed}");
    world.app.stop().await;
}

#[tokio::test]
async fn changes_are_heard() {
    let world = World::start(0).await;
    let client = world.client(0, 7).await;
    world.cluster.push(Uid(7), &Ping).await.unwrap();
    assert_eq!(world.locator.asked(), 1);
    let (uid, gid) = (Uid(7), Gid::from("g2"));
    for change in [Change::GateBound { uid, gid }, Change::Unknown] {
        world.locator.tell(change);
        world.locator.asked();
        // Believed as soon as it is heard; then the gate that was named says no.
        while world.locator.asked() == 0 {
            world.cluster.push(uid, &Ping).await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn nothing_is_remembered_when_nobody_corrects_it() {
    let world = World::start(0).await;
    let client = world.client(0, 7).await;
    world.locator.fall_silent();
    // Heard when two questions in a row reach the locator.
    loop {
        world.locator.asked();
        for _ in 0..2 {
            world.cluster.push(Uid(7), &Ping).await.unwrap();
        }
        if world.locator.asked() == 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        world.cluster.push(Uid(7), &Ping).await.unwrap();
    }
    assert_eq!(world.locator.asked(), 3);
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_message_that_misses_its_node_is_sent_on() {
    // The nodes know the truth, the gates remember, and nobody tells them.
    let world = World::start(2).await;
    let client = world.client(0, 7).await;
    let mut number = 0;
    for nid in ["n1", "n2", "n1"] {
        world.cluster.bind_node(Uid(7), "node", &Nid::from(nid)).await.unwrap();
        let asked = (0..20).map(|_| {
            number += 1;
            let (client, number) = (client.clone(), number.to_string());
            async move {
                let answer = client.request(RouteId(2), &RawBody(number.clone().into())).await;
                let RawBody(answer) = answer.unwrap();
                assert_eq!(answer, format!("{nid} {number}"));
            }
        });
        let mut asked: tokio::task::JoinSet<()> = asked.collect();
        while let Some(answered) = asked.join_next().await {
            answered.unwrap();
        }
        world.locator.asked();
        let RawBody(answer) = client.request(RouteId(2), &RawBody::default()).await.unwrap();
        assert_eq!(answer, format!("{nid} "));
        assert_eq!(world.locator.asked(), 1, "only the node asked: the gate has learned");
    }

    // He is bound nowhere: the client is told.
    world.locator.truth.unbind_node(Uid(7), "node", &Nid::from("n1")).await.unwrap();
    let lost = client.request::<RawBody, RawBody>(RouteId(2), &RawBody::default()).await.unwrap_err();
    assert_eq!(lost.to_string(), "the server answers not found: the user is bound to no node \"node\"");
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_message_for_a_node_that_is_gone_goes_where_its_user_is_bound_now() {
    let world = World::start(2).await;
    let client = world.client(0, 7).await;
    let who = async |number: &str| {
        let answer = client.request::<_, RawBody>(RouteId(2), &RawBody(number.to_owned().into())).await;
        answer.map(|RawBody(answer)| String::from_utf8_lossy(&answer).into_owned()).map_err(|error| error.to_string())
    };
    for (gone, next) in [("n3", "n1"), ("n4", "n2")] {
        let node = Node::builder().id(gone).serve(due::routes![login, who]).build().unwrap();
        let app = App::new().backends(world.backends.clone()).node(node).start().await.unwrap();
        world.cluster.bind_node(Uid(7), "node", &Nid::from(gone)).await.unwrap();
        assert_eq!(who("1").await, Ok(format!("{gone} 1")));
        app.stop().await;
        // Nobody tells the gate, which remembers.
        world.cluster.bind_node(Uid(7), "node", &Nid::from(next)).await.unwrap();
        assert_eq!(who("2").await, Ok(format!("{next} 2")));
    }
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_user_whom_the_locator_is_slow_to_find_holds_up_no_other() {
    let world = World::start(2).await;
    let clients = [world.client(0, 7).await, world.client(0, 8).await];
    let who = async |client: &Client| {
        let RawBody(answer) = client.request(RouteId(2), &RawBody("1".into())).await.unwrap();
        answer
    };
    for (uid, client) in [7, 8].into_iter().zip(&clients) {
        world.cluster.bind_node(Uid(uid), "node", &Nid::from("n1")).await.unwrap();
        assert_eq!(who(client).await, "n1 1");
        world.cluster.bind_node(Uid(uid), "node", &Nid::from("n2")).await.unwrap();
    }
    // The node that is wrong asks twice, then the gate does.
    *world.locator.held.lock().unwrap() = Some((Uid(8), 2));
    let slow = tokio::spawn({
        let client = clients[1].clone();
        async move { client.request::<_, RawBody>(RouteId(2), &RawBody("2".into())).await }
    });
    world.locator.asked();
    while world.locator.asked.load(Ordering::Relaxed) < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(who(&clients[0]).await, "n2 1");
    assert!(!slow.is_finished());
    *world.locator.held.lock().unwrap() = None;
    world.locator.go.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), RawBody("n2 2".into()));
    for client in clients {
        client.close().await;
    }
    world.app.stop().await;
}
