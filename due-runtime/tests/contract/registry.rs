use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::time::Duration;

use due::registry::{DirRegistry, Instance, InstanceRoute, Instances, Kind, MemoryRegistry, Registry, State, Watch};

use super::Dirs;

/// Time that a real backend may take to show a change to its watchers.
const SOON: Duration = Duration::from_secs(10);

/// Runs every rule of [`Registry`], each on a registry of its own.
async fn suite<R: Registry, F: Future<Output = R>>(make: impl Fn() -> F) {
    registered_instances_are_listed_by_kind(&make().await).await;
    everything_of_an_instance_comes_back(&make().await).await;
    registering_again_replaces(&make().await).await;
    deregistering_takes_back_one_of_a_kind(&make().await).await;
    a_watch_begins_with_the_current_list(&make().await).await;
    a_watch_shows_full_lists(&make().await).await;
    a_slow_watch_sees_the_latest_list(&make().await).await;
    a_cancelled_next_loses_nothing(&make().await).await;
    watches_are_independent(&make().await).await;
}

#[tokio::test]
async fn memory() {
    suite(async || MemoryRegistry::new()).await;
}

#[tokio::test]
async fn dir() {
    let dirs = Dirs::default();
    suite(|| ready(DirRegistry::new(dirs.next()))).await;
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn etcd() {
    let server = crate::support::Etcd::start();
    let count = std::cell::Cell::new(0);
    let registry = || due::registry::EtcdRegistry::new().addrs([server.addr()]);
    suite(async || {
        count.set(count.get() + 1);
        registry().namespace(format!("of-{}", count.get()))
    })
    .await;
    ends_its_watches_with_itself(registry()).await;
}

#[cfg(feature = "consul")]
#[tokio::test]
async fn consul() {
    let server = crate::support::Consul::start();
    // Nobody listens at the endpoints of this suite.
    let registry = || due::registry::ConsulRegistry::new().addr(server.addr()).health_check(false);
    suite(async || {
        server.clear();
        registry()
    })
    .await;
    server.clear();
    ends_its_watches_with_itself(registry()).await;
}

#[tokio::test]
async fn watches_end_with_a_registry_in_this_process() {
    let dirs = Dirs::default();
    ends_its_watches_with_itself(MemoryRegistry::new()).await;
    ends_its_watches_with_itself(DirRegistry::new(dirs.next())).await;
}

async fn ends_its_watches_with_itself(registry: impl Registry) {
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    assert_eq!(ids(&watch.next().await.unwrap()), [""; 0]);
    drop(registry);
    assert!(watch.next().await.is_none());
}

async fn registered_instances_are_listed_by_kind(registry: &impl Registry) {
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    registry.register(instance(Kind::Node, "n2")).await.unwrap();
    registry.register(instance(Kind::Gate, "g1")).await.unwrap();
    assert_eq!(listed(registry, Kind::Node, 2).await, ["n1", "n2"]);
    assert_eq!(listed(registry, Kind::Gate, 1).await, ["g1"]);
    assert_eq!(listed(registry, Kind::Mesh, 0).await, [""; 0]);
}

async fn everything_of_an_instance_comes_back(registry: &impl Registry) {
    let mut node = instance(Kind::Node, "n1");
    node.alias = "game".into();
    node.state = State::Busy;
    node.events = vec![1, 3];
    node.routes = vec![
        InstanceRoute { id: 1, ..InstanceRoute::default() },
        InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
        InstanceRoute { id: 32_767, internal: true, authorized: true, ..InstanceRoute::default() },
    ];
    node.weight = 3;
    node.metadata = BTreeMap::from([("zone".into(), "上海".into())]);
    registry.register(node.clone()).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.len() == 1).await, [node]);
}

async fn registering_again_replaces(registry: &impl Registry) {
    let mut node = instance(Kind::Node, "n1");
    registry.register(node.clone()).await.unwrap();
    node.state = State::Hang;
    registry.register(node.clone()).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.iter().any(|node| node.state == State::Hang)).await, [node]);
}

async fn deregistering_takes_back_one_of_a_kind(registry: &impl Registry) {
    registry.register(instance(Kind::Node, "same")).await.unwrap();
    registry.register(instance(Kind::Mesh, "same")).await.unwrap();
    registry.deregister(Kind::Node, "same").await.unwrap();
    registry.deregister(Kind::Node, "never there").await.unwrap();
    assert_eq!(listed(registry, Kind::Node, 0).await, [""; 0]);
    assert_eq!(listed(registry, Kind::Mesh, 1).await, ["same"]);
}

async fn a_watch_begins_with_the_current_list(registry: &impl Registry) {
    let mut early = registry.watch(Kind::Gate).await.unwrap();
    assert_eq!(ids(&soon(early.next()).await), [""; 0]);
    registry.register(instance(Kind::Gate, "g1")).await.unwrap();
    let mut late = registry.watch(Kind::Gate).await.unwrap();
    assert_eq!(ids(&until(&mut late, |list| !list.is_empty()).await), ["g1"]);
}

async fn a_watch_shows_full_lists(registry: &impl Registry) {
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    for id in ["n1", "n2", "n3"] {
        registry.register(instance(Kind::Node, id)).await.unwrap();
    }
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 3).await), ["n1", "n2", "n3"]);
    registry.deregister(Kind::Node, "n2").await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n3"]);
}

async fn a_slow_watch_sees_the_latest_list(registry: &impl Registry) {
    let mut slow = registry.watch(Kind::Node).await.unwrap();
    let mut quick = registry.watch(Kind::Node).await.unwrap();
    for round in 0..100 {
        registry.register(instance(Kind::Node, &format!("n{round}"))).await.unwrap();
    }
    until(&mut quick, |list| list.len() == 100).await;
    assert_eq!(until(&mut slow, |list| list.len() == 100).await.len(), 100);
}

async fn a_cancelled_next_loses_nothing(registry: &impl Registry) {
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    soon(watch.next()).await;
    {
        let mut next = std::pin::pin!(watch.next());
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
    }
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&soon(watch.next()).await), ["n1"]);
}

async fn watches_are_independent(registry: &impl Registry) {
    let mut one = registry.watch(Kind::Node).await.unwrap();
    let mut gates = registry.watch(Kind::Gate).await.unwrap();
    soon(one.next()).await;
    soon(gates.next()).await;
    let mut copy = one.clone();
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&until(&mut copy, |list| !list.is_empty()).await), ["n1"]);
    drop(copy);
    assert_eq!(ids(&until(&mut one, |list| !list.is_empty()).await), ["n1"]);
    assert_eq!(ids(&gates.latest()), [""; 0]);
}

fn instance(kind: Kind, id: &str) -> Instance {
    let mut instance = Instance::new(kind, id);
    instance.endpoint = "drpc://127.0.0.1:3553?is_secure=false".into();
    instance
}

fn ids(list: &Instances) -> Vec<&str> {
    let mut ids = list.iter().map(|instance| instance.id.as_str()).collect::<Vec<_>>();
    ids.sort_unstable();
    ids
}

async fn listed(registry: &impl Registry, kind: Kind, count: usize) -> Vec<String> {
    let mut watch = registry.watch(kind).await.unwrap();
    until(&mut watch, |list| list.len() == count).await;
    ids(&registry.list(kind).await.unwrap()).into_iter().map(str::to_owned).collect()
}

async fn soon(next: impl Future<Output = Option<Instances>>) -> Instances {
    tokio::time::timeout(SOON, next).await.expect("a list in time").expect("an open registry")
}

async fn until(watch: &mut Watch, fits: impl Fn(&Instances) -> bool) -> Instances {
    loop {
        let list = soon(watch.next()).await;
        if fits(&list) {
            return list;
        }
    }
}
