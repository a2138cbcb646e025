//! One user, two sessions: on one gate, on two gates of a process, on two gates that talk over TCP.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::locator::{LocateError, Locator, MemoryLocator};
use due::testing::Harness;
use due::{
    App, Backends, BoxFuture, Client, Code, Codec, Context, Disconnect, DuplicateLogin, Event, Gate, Gid, Nid, Node,
    RouteId, RunningApp, Uid,
};
use tokio::sync::mpsc;

#[due::route(1)]
async fn login(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.bind(Uid(7)).await?;
    Ok(RawBody(Bytes::new()))
}

#[due::route(2, authorized)]
async fn play(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// What a node hears of sessions that end: their users.
type Left = mpsc::UnboundedReceiver<Option<Uid>>;

/// Two gates and a node.
struct World {
    apps: Vec<RunningApp>,
    urls: Vec<String>,
    left: Left,
}

impl World {
    async fn in_one_process(policy: DuplicateLogin) -> Self {
        let (node, left) = node();
        let (one, two) = (gate("one", policy), gate("two", policy));
        let app = App::new().backends(Backends::memory().codec(Codec::Json)).gate(one).gate(two).node(node);
        let app = app.start().await.unwrap();
        let urls = app.addresses().map(str::to_owned).collect();
        Self { apps: vec![app], urls, left }
    }

    async fn in_three_processes(folder: &tempfile::TempDir, policy: DuplicateLogin) -> Self {
        let backends = Backends::dir(folder.path()).codec(Codec::Json);
        let (node, left) = node();
        let apps = vec![
            App::new().backends(backends.clone()).node(node).start().await.unwrap(),
            App::new().backends(backends.clone()).gate(gate("one", policy)).start().await.unwrap(),
            App::new().backends(backends).gate(gate("two", policy)).start().await.unwrap(),
        ];
        let urls = apps.iter().flat_map(RunningApp::addresses).map(str::to_owned).collect();
        Self { apps, urls, left }
    }

    async fn login(&self, gate: usize) -> Client {
        let client = Client::builder().codec(Codec::Json).connect(&self.urls[gate]).await.unwrap();
        let _: RawBody = client.request(RouteId(1), &empty()).await.unwrap();
        client
    }

    async fn stop(self) {
        for app in self.apps {
            app.stop().await;
        }
    }
}

fn node() -> (Node, Left) {
    let (tell, left) = mpsc::unbounded_channel();
    let node = Node::builder().serve(due::routes![login, play]).on_disconnect(move |ctx: Context| {
        let tell = tell.clone();
        async move {
            assert_eq!(ctx.event(), Some(Event::Disconnect));
            tell.send(ctx.uid()).unwrap();
            Ok(())
        }
    });
    (node.build().unwrap(), left)
}

fn gate(id: &str, policy: DuplicateLogin) -> Gate {
    Gate::builder().id(id).tcp("127.0.0.1:0").duplicate_login(policy).build()
}

fn empty() -> RawBody {
    RawBody(Bytes::new())
}

async fn plays(client: &Client) -> bool {
    client.request::<_, RawBody>(RouteId(2), &empty()).await.is_ok()
}

/// The newest login wins, the older session is told and closed, and the user is said to have left once: at the end.
async fn the_newest_wins(mut world: World, older_gate: usize) {
    let older = world.login(older_gate).await;
    let newer = world.login(1).await;
    match older.closed().await {
        Disconnect::Dismissed(status) => {
            assert_eq!(
                (status.code(), status.message.as_str()),
                (Code::UNAUTHORIZED, "the user has logged in elsewhere")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.left.recv().await, Some(None), "who plays on elsewhere has not left");
    assert!(plays(&newer).await);
    let cluster = world.apps.iter().find_map(RunningApp::cluster).unwrap().clone();
    assert_eq!(cluster.locate_gate(Uid(7)).await.unwrap().unwrap().as_str(), "two");

    newer.close().await;
    assert_eq!(world.left.recv().await, Some(Some(Uid(7))));
    assert_eq!(cluster.locate_gate(Uid(7)).await.unwrap(), None);
    drop(cluster);
    world.stop().await;
}

#[tokio::test]
async fn on_one_gate() {
    the_newest_wins(World::in_one_process(DuplicateLogin::Close).await, 1).await;
}

#[tokio::test]
async fn on_two_gates_of_a_process() {
    the_newest_wins(World::in_one_process(DuplicateLogin::Close).await, 0).await;
}

#[tokio::test]
async fn on_two_gates_of_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    the_newest_wins(World::in_three_processes(&folder, DuplicateLogin::Close).await, 0).await;
}

#[tokio::test]
async fn a_login_from_there_and_back_ends_at_the_last_one() {
    let world = World::in_one_process(DuplicateLogin::Close).await;
    let mut older = world.login(0).await;
    for i in 1..20 {
        let newer = world.login(i % 2).await;
        assert!(matches!(older.closed().await, Disconnect::Dismissed(_)));
        older = newer;
    }
    assert!(plays(&older).await);
    world.stop().await;
}

#[tokio::test]
async fn kept_sessions_are_told_nothing() {
    let mut world = World::in_one_process(DuplicateLogin::Keep).await;
    let (first, second) = (world.login(1).await, world.login(1).await);
    assert!(!plays(&first).await, "the older session has no user any more");
    assert!(plays(&second).await);
    let third = world.login(0).await;
    assert!(plays(&third).await && plays(&second).await, "gates do not tell each other");

    second.close().await;
    assert_eq!(world.left.recv().await, Some(None), "he is on another gate");
    third.close().await;
    assert_eq!(world.left.recv().await, Some(Some(Uid(7))));
    first.close().await;
    assert_eq!(world.left.recv().await, Some(None));
    world.stop().await;
}

/// Says that every user was elsewhere before, and never again where he is.
#[derive(Debug)]
struct Mute(MemoryLocator);

impl Locator for Mute {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(async move { self.0.bind_gate(uid, gid).await.map(|_| Some(Gid::from("elsewhere"))) })
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_gate(uid, gid)
    }

    fn locate_gate(&self, _: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        Box::pin(pending())
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        self.0.bind_node(uid, name, nid)
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_node(uid, name, nid)
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        self.0.locate_node(uid, name)
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        self.0.locate_nodes(uid)
    }
}

#[tokio::test(start_paused = true)]
async fn a_locator_that_falls_silent_holds_up_no_stop() {
    let backends = Backends::memory().locator(Mute(MemoryLocator::new()));
    let harness = Harness::builder().backends(backends).codec(Codec::Json).serve(due::routes![login]).start().await;
    let harness = harness.unwrap();
    let client = harness.client().await.unwrap();
    let _: RawBody = client.request(RouteId(1), &empty()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), harness.stop()).await.expect("a stop");
}
