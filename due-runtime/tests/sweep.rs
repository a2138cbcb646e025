//! Users whom a server that crashed has left in the locator.

use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::locator::{Locator, MemoryLocator};
use due::registry::{Instance, Kind, MemoryRegistry, Registry, RegistryError, Watch};
use due::testing::Harness;
use due::{Backends, BoxFuture, Client, Context, Gid, Nid, RouteId, Target, Uid};
use tokio::time::sleep;

const LI: Uid = Uid(7);

#[due::route(1)]
async fn login(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.bind(LI).await?;
    Ok(RawBody::default())
}

#[due::route(2, stateful)]
async fn play(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(Bytes::from_static(b"played")))
}

async fn plays(client: &Client) -> Result<RawBody, due::CallError> {
    client.request(RouteId(2), &RawBody::default()).await
}

struct World {
    registry: MemoryRegistry,
    locator: MemoryLocator,
    harness: Harness,
    client: Client,
}

impl World {
    async fn start() -> Self {
        let (registry, locator) = (MemoryRegistry::new(), MemoryLocator::new());
        let backends = Backends::memory().registry(registry.clone()).locator(locator.clone());
        let harness = Harness::builder().backends(backends).serve(due::routes![login, play]).start().await.unwrap();
        let client = harness.client().await.unwrap();
        let _: RawBody = client.request(RouteId(1), &RawBody::default()).await.unwrap();
        Self { registry, locator, harness, client }
    }

    /// What the locator holds after the user has asked for his node.
    async fn node_after_a_message(&self) -> Option<Nid> {
        plays(&self.client).await.unwrap_err();
        // The client is told first.
        sleep(Duration::from_millis(1)).await;
        self.locator.locate_node(LI, "node").await.unwrap()
    }

    async fn gate_after_a_push(&self, uid: Uid) -> Option<Gid> {
        let online = self.harness.cluster().ip(Target::User(uid)).await;
        assert_eq!(online.unwrap_err().to_string(), format!("user {uid} is not connected"));
        self.locator.locate_gate(uid).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_is_taken_off_a_node_that_is_gone_for_a_minute() {
    let world = World::start().await;
    let gone = Nid::from("gone");
    world.locator.bind_node(LI, "node", &gone).await.unwrap();
    assert_eq!(world.node_after_a_message().await, Some(gone.clone()), "it may be slow to register");
    sleep(Duration::from_secs(61)).await;
    assert_eq!(world.node_after_a_message().await, None);

    // Seen and gone again.
    world.registry.register(Instance::new(Kind::Node, "gone")).await.unwrap();
    world.locator.bind_node(LI, "node", &gone).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(world.node_after_a_message().await, Some(gone.clone()), "it is there, though nobody reaches it");
    world.registry.deregister(Kind::Node, "gone").await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.node_after_a_message().await, Some(gone.clone()), "it may come back");
    world.registry.register(Instance::new(Kind::Node, "gone")).await.unwrap();
    world.registry.deregister(Kind::Node, "gone").await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(world.node_after_a_message().await, None);
    world.harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_is_taken_off_a_gate_that_is_gone_for_a_minute() {
    let world = World::start().await;
    let (han, gone) = (Uid(8), Gid::from("gone"));
    world.locator.bind_gate(han, &gone).await.unwrap();
    assert_eq!(world.gate_after_a_push(han).await, Some(gone));
    sleep(Duration::from_secs(61)).await;
    assert_eq!(world.gate_after_a_push(han).await, None);
    assert!(world.locator.locate_gate(LI).await.unwrap().is_some(), "nobody else is");
    world.harness.stop().await;
}

/// Shows its watches nothing new, as one that has lost its server.
#[derive(Clone, Debug)]
struct Lagging {
    truth: MemoryRegistry,
    shown: MemoryRegistry,
}

impl Registry for Lagging {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            self.shown.register(instance.clone()).await?;
            self.truth.register(instance).await
        })
    }

    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.truth.deregister(kind, id)
    }

    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<due::registry::Instances, RegistryError>> {
        self.truth.list(kind)
    }

    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
        self.shown.watch(kind)
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_heard_of_late_is_not_gone() {
    let registry = Lagging { truth: MemoryRegistry::new(), shown: MemoryRegistry::new() };
    let locator = MemoryLocator::new();
    let backends = Backends::memory().registry(registry.clone()).locator(locator.clone());
    let harness = Harness::builder().backends(backends).serve(due::routes![login]).start().await.unwrap();
    let new = Gid::from("new");
    locator.bind_gate(LI, &new).await.unwrap();
    registry.truth.register(Instance::new(Kind::Gate, "new")).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    harness.cluster().ip(Target::User(LI)).await.unwrap_err();
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(new), "the registry was asked");
    harness.stop().await;
}
