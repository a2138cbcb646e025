//! Which gates and nodes there are, as one server knows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::link::{GateLink, Link, Member};
use super::newcomers::Newcomers;
use super::{Backends, Balance, DispatchTable};
use crate::id::{Gid, Nid};
use crate::registry::{Instance, Kind, Registry, RegistryError};

/// An instance that is gone for so long does not come back: registries drop those that fail, and take back those that
/// recover, in less.
const GONE: Duration = Duration::from_secs(60);
/// The registry is not asked more often whether it is so.
const ASKED: Duration = Duration::from_secs(5);

pub(super) struct Picture {
    registry: Arc<dyn Registry>,
    link: Arc<dyn Link>,
    member: Member,
    balance: Balance,
    gates: ArcSwap<Gates>,
    nodes: ArcSwap<DispatchTable>,
    /// Told when nodes are gone.
    calls: Arc<Calls>,
    news: Mutex<News>,
    /// When those are to be looked at again that have just come.
    unsettled: watch::Sender<Option<Instant>>,
    begun: Instant,
    /// When the registry was asked last for who is gone.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

pub(super) type Gates = HashMap<Gid, Arc<dyn GateLink>>;

/// Locked while a part of the picture is replaced.
#[derive(Default)]
struct News {
    /// Lists that watches have brought.
    told: u64,
    has_left: bool,
    gates: Sightings,
    nodes: Sightings,
    /// Of the gates that are there.
    endpoints: HashMap<Gid, Arc<str>>,
    newcomers: Newcomers,
    /// The nodes of the last list, if some have just come.
    unsettled: Vec<Instance>,
}

/// A gate, as the registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    At(Arc<str>),
    /// Not there for so long; no less than a minute if it was never seen.
    Missed(Duration),
}

/// By id: since when an instance is gone that was there a minute ago; `None` if it is there.
type Sightings = HashMap<String, Option<Instant>>;

impl Picture {
    /// Knows gates and nodes when it returns, and follows the registry until `stop`.
    pub(super) async fn follow(
        backends: &Backends,
        member: &Member,
        balance: Balance,
        calls: &Arc<Calls>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, RegistryError> {
        let this = Arc::new(Self {
            registry: Arc::clone(&backends.registry),
            link: Arc::clone(&backends.link),
            member: member.clone(),
            balance,
            gates: ArcSwap::default(),
            nodes: ArcSwap::default(),
            calls: Arc::clone(calls),
            news: Mutex::default(),
            unsettled: watch::Sender::default(),
            begun: Instant::now(),
            asked: tokio::sync::Mutex::default(),
        });
        for kind in [Kind::Gate, Kind::Node] {
            let mut watch = this.registry.watch(kind).await?;
            this.hear(kind, &watch.latest());
            let (this, stop) = (Arc::downgrade(&this), stop.clone());
            tokio::spawn(async move {
                while let Some(Some(instances)) = stop.run_until_cancelled(watch.next()).await {
                    let Some(this) = this.upgrade() else { return };
                    this.hear(kind, &instances);
                }
            });
        }
        tokio::spawn(stop.clone().run_until_cancelled_owned(settle(Arc::downgrade(&this))));
        Ok(this)
    }

    pub(super) fn gates(&self) -> Guard<Arc<Gates>> {
        self.gates.load()
    }

    pub(super) fn nodes(&self) -> Guard<Arc<DispatchTable>> {
        self.nodes.load()
    }

    /// Asks the registry now, rather than waiting to be told.
    pub(super) async fn refresh(&self) -> Result<(), RegistryError> {
        for kind in [Kind::Gate, Kind::Node] {
            loop {
                let told = self.news.lock().unwrap().told;
                let instances = self.registry.list(kind).await?;
                let mut news = self.news.lock().unwrap();
                // What a watch has brought meanwhile may be newer than this list, and is not brought again.
                if news.told == told {
                    self.learn(kind, &instances, &mut news);
                    break;
                }
            }
        }
        Ok(())
    }

    /// As [`refresh`](Self::refresh), for the sake of one that calls: it lives, whatever the lists say.
    pub(super) async fn seek(&self, kind: Kind, id: &str) -> Result<(), RegistryError> {
        self.refresh().await?;
        let is_known = match kind {
            Kind::Node => self.nodes().node(&Nid::from(id)).is_some(),
            _ => self.gates().contains_key(&Gid::from(id)),
        };
        if !is_known && self.registry.seek(kind, id).await? {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Learns nothing more. What is known stays until [`forget`](Self::forget).
    pub(super) fn leave(&self) {
        self.news.lock().unwrap().has_left = true;
    }

    /// Gates and nodes of one process know each other: neither would ever be dropped.
    pub(super) fn forget(&self) {
        self.gates.store(Arc::default());
        self.nodes.store(Arc::default());
    }

    fn hear(&self, kind: Kind, instances: &[Instance]) {
        let mut news = self.news.lock().unwrap();
        news.told += 1;
        self.learn(kind, instances, &mut news);
    }

    /// Whether an instance is gone for good: the registry lacks it now, and has for a minute.
    pub(super) async fn is_gone(&self, kind: Kind, id: &str) -> bool {
        if !self.is_missed(kind, id) {
            return false;
        }
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|asked| asked.elapsed() >= ASKED) {
            if let Err(error) = self.refresh().await {
                tracing::debug!(%kind, id, error = &error as &dyn std::error::Error, "not known to be gone");
                return false;
            }
            *asked = Some(Instant::now());
        }
        self.is_missed(kind, id)
    }

    pub(super) fn sight(&self, gid: &Gid) -> Sight {
        let news = self.news.lock().unwrap();
        match (news.endpoints.get(gid), news.gates.get(gid.as_str())) {
            (Some(endpoint), _) => Sight::At(Arc::clone(endpoint)),
            (None, Some(Some(since))) => Sight::Missed(since.elapsed()),
            (None, _) => Sight::Missed(GONE),
        }
    }

    fn is_missed(&self, kind: Kind, id: &str) -> bool {
        let mut news = self.news.lock().unwrap();
        if news.has_left {
            return false;
        }
        let sightings = news.sightings(kind);
        let since = sightings.get(id).copied().unwrap_or(Some(self.begun));
        // One that knows nobody at all is not the registry that the instance was in.
        since.is_some_and(|since| since.elapsed() >= GONE) && sightings.values().any(Option::is_none)
    }

    fn learn(&self, kind: Kind, instances: &[Instance], news: &mut News) {
        let Self { link, member, balance, .. } = self;
        if !news.has_left {
            news.see(kind, instances);
        }
        match kind {
            _ if news.has_left => {}
            Kind::Node => {
                let is_listed = self.registry.is_listed(member.kind, &member.id);
                let seen = news.newcomers.see(instances, is_listed, Instant::now());
                news.unsettled = match news.newcomers.settle_at() {
                    Some(_) => instances.to_vec(),
                    None => Vec::new(),
                };
                self.unsettled.send_replace(news.newcomers.settle_at());
                let nodes = DispatchTable::build(&seen, &**link, member, *balance, &self.nodes.load());
                self.calls.part(|nid| nodes.node(nid).is_some());
                self.nodes.store(Arc::new(nodes));
            }
            _ => {
                let gates = instances.iter().filter_map(|instance| {
                    let gid = Gid::from(instance.id.as_str());
                    let gate = link.gate(member, &gid, &instance.endpoint)?;
                    Some((gid, gate))
                });
                self.gates.store(Arc::new(gates.collect()));
                let at = |instance: &Instance| (Gid::from(instance.id.as_str()), Arc::from(instance.endpoint.as_str()));
                news.endpoints = instances.iter().map(at).collect();
            }
        }
    }
}

/// Looks at nodes again that have settled meanwhile.
async fn settle(picture: Weak<Picture>) {
    let Some(mut times) = picture.upgrade().map(|picture| picture.unsettled.subscribe()) else { return };
    loop {
        let at = *times.borrow_and_update();
        let news = match at {
            Some(at) => timeout_at(at, times.changed()).await,
            None => Ok(times.changed().await),
        };
        match (news, at) {
            (Ok(Ok(())), _) | (Err(_), None) => continue,
            (Ok(Err(_)), _) => return,
            (Err(_), Some(_)) => {}
        }
        let Some(picture) = picture.upgrade() else { return };
        let mut news = picture.news.lock().unwrap();
        // A list may have come just now.
        if news.newcomers.settle_at() == at {
            let nodes = std::mem::take(&mut news.unsettled);
            picture.learn(Kind::Node, &nodes, &mut news);
        }
    }
}

impl News {
    fn sightings(&mut self, kind: Kind) -> &mut Sightings {
        match kind {
            Kind::Node => &mut self.nodes,
            _ => &mut self.gates,
        }
    }

    fn see(&mut self, kind: Kind, instances: &[Instance]) {
        let sightings = self.sightings(kind);
        let now = Instant::now();
        for since in sightings.values_mut() {
            since.get_or_insert(now);
        }
        sightings.extend(instances.iter().map(|instance| (instance.id.clone(), None)));
        // What was never seen is missed since this server began, which is no less.
        sightings.retain(|_, since| since.is_none_or(|since| now - since < GONE));
    }
}

#[cfg(all(test, feature = "link"))]
mod tests {
    use std::pin::pin;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::cluster::TcpLink;
    use crate::future::BoxFuture;
    use crate::packet::Format;
    use crate::registry::{Instances, MemoryRegistry, Watch};

    /// Its lists are as old as the question.
    #[derive(Clone, Debug)]
    struct Slow {
        truth: MemoryRegistry,
        answers: Arc<Semaphore>,
    }

    impl Registry for Slow {
        fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
            self.truth.register(instance)
        }

        fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
            self.truth.deregister(kind, id)
        }

        fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>> {
            Box::pin(async move {
                let list = self.truth.list(kind).await;
                self.answers.acquire().await.unwrap().forget();
                list
            })
        }

        fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
            self.truth.watch(kind)
        }
    }

    fn gate(id: &str) -> Instance {
        let mut gate = Instance::new(Kind::Gate, id);
        gate.endpoint = "drpc://127.0.0.1:1?is_secure=false".to_owned();
        gate
    }

    #[tokio::test]
    async fn an_old_list_replaces_no_newer_one_and_who_leaves_learns_nothing() {
        let registry = Slow { truth: MemoryRegistry::new(), answers: Arc::new(Semaphore::new(0)) };
        let backends = Backends::memory().registry(registry.clone()).link(TcpLink::new());
        let member = Member::new(Kind::Mesh, "m1", &Format::new());
        let stop = CancellationToken::new();
        let calls = Arc::new(Calls::new(&backends.format));
        let picture = Picture::follow(&backends, &member, Balance::default(), &calls, &stop).await.unwrap();

        let mut refresh = pin!(picture.refresh());
        assert!(futures_util::poll!(refresh.as_mut()).is_pending());
        registry.register(gate("g1")).await.unwrap();
        while picture.gates().is_empty() {
            tokio::task::yield_now().await;
        }
        // Gates twice, then nodes.
        registry.answers.add_permits(3);
        refresh.await.unwrap();
        assert_eq!(picture.gates().len(), 1);

        picture.leave();
        registry.register(gate("g2")).await.unwrap();
        registry.answers.add_permits(2);
        picture.refresh().await.unwrap();
        assert_eq!(picture.gates().len(), 1);
        picture.forget();
        assert!(picture.gates().is_empty());
        stop.cancel();
    }
}
