//! Gate and nodes that are joined by the TCP link, as in processes of their own.

use due::locator::MemoryLocator;
use due::registry::MemoryRegistry;
use due::{
    App, Backends, Bytes, Client, Close, ClusterError, Context, Gate, Nid, Node, NodeBuilder, RouteId, RouteOptions,
    Routes as _, RunningApp, TcpLink, Uid,
};

use crate::{Diary, Entries, Table, ask, route, text};

/// A gate, and nodes a and b.
struct World {
    gate: RunningApp,
    a: RunningApp,
    b: RunningApp,
}

impl World {
    async fn start(a: NodeBuilder, b: NodeBuilder) -> Self {
        let (registry, locator) = (MemoryRegistry::new(), MemoryLocator::new());
        let app = || {
            let backends = Backends::memory().registry(registry.clone()).locator(locator.clone());
            App::new().backends(backends.link(TcpLink::new().addr("127.0.0.1:0")))
        };
        let a = app().node(a.id("a").build().unwrap()).start().await.unwrap();
        let b = app().node(b.id("b").build().unwrap()).start().await.unwrap();
        let gate = app().gate(Gate::builder().id("g").tcp("127.0.0.1:0").build()).start().await.unwrap();
        // Whoever started earlier has to hear of whoever started later.
        for (cluster, nid) in [(a.cluster().unwrap(), "b"), (b.cluster().unwrap(), "a")] {
            while let Err(ClusterError::NoNode(_)) = cluster.state(Nid::from(nid)).await {
                tokio::task::yield_now().await;
            }
        }
        Self { gate, a, b }
    }

    async fn client(&self) -> Client {
        Client::builder().connect(self.gate.addresses().next().unwrap()).await.unwrap()
    }

    async fn stop(self) {
        self.gate.stop().await;
        self.a.stop().await;
        self.b.stop().await;
    }
}

fn events(node: NodeBuilder, diary: &Diary) -> NodeBuilder {
    let noting = || {
        let diary = diary.clone();
        move |ctx: Context| {
            diary.note(format!("{:?} {:?}", ctx.event().unwrap(), ctx.uid().map(|uid| uid.0)));
            async { Ok(()) }
        }
    };
    node.on_connect(noting()).on_reconnect(noting()).on_disconnect(noting())
}

#[tokio::test]
async fn events_come_in_order_with_messages() {
    let (diary, mut entries) = Diary::new();
    let notes = diary.clone();
    let table = Table::new().on(route(1), move |ctx, body| {
        let notes = notes.clone();
        Box::pin(async move {
            notes.note(&body);
            if let Ok(uid) = body.parse() {
                ctx.bind(Uid(uid)).await?;
                notes.note("logged in");
            }
            Ok(body)
        })
    });
    let world = World::start(events(Node::builder().serve(table), &diary), Node::builder()).await;
    for round in 0..10 {
        let client = world.client().await;
        let login = 7.to_string();
        let (hello, login) = tokio::join!(ask(&client, 1, "hello"), ask(&client, 1, &login));
        assert_eq!((&*hello, &*login), ("hello", "7"), "{round}");
        entries.expect(&["Connect None", "hello", "7", "logged in", "Reconnect Some(7)"]).await;
        client.close().await;
        entries.expect(&["Disconnect Some(7)"]).await;
    }
    world.stop().await;
}

/// A default handler that notes what comes.
fn answers(node: NodeBuilder) -> (NodeBuilder, Entries) {
    let (diary, entries) = Diary::new();
    let node = node.default_handler(move |ctx: Context, body: Bytes| {
        diary.note(format!("{:?} answers {} for {:?}", ctx.sender(), text(body).0, ctx.uid()));
        async { Ok(due::Reply::none()) }
    });
    (node, entries)
}

#[tokio::test]
async fn nodes_deliver_and_answer() {
    let (node, mut entries) = answers(Node::builder());
    let table = Table::new()
        .on(route(1).internal(), |ctx, body| Box::pin(async move { Ok(format!("{body} of {:?}", ctx.sender())) }))
        .on(route(2).stateful(), |ctx, _| Box::pin(async move { Ok(ctx.user()?.to_string()) }));
    let world = World::start(node, Node::builder().name("lobby").serve(table)).await;
    let cluster = world.a.cluster().unwrap();
    for number in 0..200 {
        cluster.deliver(RouteId(1), None, &text(number.to_string())).await.unwrap();
    }
    for number in 0..200 {
        let answer = format!(r#"Node(Nid("b")) answers {number} of Node(Nid("a")) for None"#);
        entries.expect(&[&answer]).await;
    }
    let to_b = async |uid: i64| cluster.deliver_to(&Nid::from("b"), RouteId(2), Some(Uid(uid)), &text("")).await;
    assert!(matches!(to_b(7).await, Err(ClusterError::Node { .. })), "bound nowhere");
    cluster.bind_node(Uid(7), "lobby", &Nid::from("c")).await.unwrap();
    assert!(matches!(to_b(7).await, Err(ClusterError::NotBound { .. })));
    cluster.bind_node(Uid(7), "lobby", &Nid::from("b")).await.unwrap();
    to_b(7).await.unwrap();
    entries.expect(&[r#"Node(Nid("b")) answers 7 for Some(Uid(7))"#]).await;
    world.stop().await;
}

#[tokio::test]
async fn requests_end_with_their_session() {
    let (diary, mut entries) = Diary::new();
    let table = Table::new().on(route(1), move |ctx, _| {
        let diary = diary.clone();
        Box::pin(async move {
            ctx.bind(Uid(7)).await?;
            diary.note("waits");
            ctx.until_gone().await;
            diary.note("gone");
            Ok(String::new())
        })
    });
    // Another route might ask for it: what the route says counts.
    let table = table.with_route_options(RouteId(1), RouteOptions::new().cancel_when_gone(false));
    let node = Node::builder().serve(table).cancel_when_gone(true);
    let world = World::start(node, Node::builder()).await;
    let client = world.client().await;
    let asking = tokio::spawn(async move { ask(&client, 1, "").await });
    entries.expect(&["waits"]).await;
    world.a.cluster().unwrap().disconnect(Uid(7), Close::Force).await.unwrap();
    entries.expect(&["gone"]).await;
    asking.await.unwrap();
    world.stop().await;
}
