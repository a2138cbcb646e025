//! Who calls, and the way back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::cluster::link::{Entrance, GateLink, NodeLink, NodeServer};
use crate::future::BoxFuture;
use crate::id::{Gid, Nid};
use crate::registry::Kind;

/// Time to ask the registry who calls.
const LOOK_UP: Duration = Duration::from_secs(1);

/// Who calls, as far as is known.
#[derive(Default)]
pub(super) enum Caller {
    #[default]
    Unknown,
    Gate(Gid, Known<dyn GateLink>, Option<Box<dyn Entrance>>),
    Node(Nid, Known<dyn NodeLink>),
}

/// The way back. Other servers may call before the registry has told of them.
pub(super) struct Known<L: ?Sized> {
    kind: Kind,
    id: Arc<str>,
    look: Look<L>,
    link: Option<Arc<L>>,
    asked: Instant,
    /// Messages that were dropped, as nobody knows the way back.
    dropped: u64,
}

type Look<L> = fn(&Cluster, Arc<str>) -> Option<Arc<L>>;

impl Caller {
    /// Set if it is a gate to which the way back is known.
    pub(super) fn entrance(&mut self, node: &dyn NodeServer) -> Option<&mut dyn Entrance> {
        let Self::Gate(gid, Known { link: Some(gate), .. }, entrance) = self else { return None };
        Some(&mut **entrance.get_or_insert_with(|| node.entrance(gid, gate)))
    }

    /// The next message, if there is one, does not come at once.
    pub(super) fn end_turn(&mut self) {
        if let Self::Gate(_, _, Some(entrance)) = self {
            entrance.end();
        }
    }

    pub(super) fn room(&self) -> Option<BoxFuture<'_, ()>> {
        match self {
            Self::Gate(_, known, _) => known.link.as_deref()?.room(),
            Self::Node(..) | Self::Unknown => None,
        }
    }
}

impl Known<dyn GateLink> {
    pub(super) async fn gate(cluster: &Cluster, id: Arc<str>) -> Self {
        Self::new(cluster, Kind::Gate, id, |cluster, id| cluster.gate(&Gid::from(id)).ok()).await
    }
}

impl Known<dyn NodeLink> {
    pub(super) async fn node(cluster: &Cluster, id: Arc<str>) -> Self {
        Self::new(cluster, Kind::Node, id, |cluster, id| cluster.node(&Nid::from(id)).ok()).await
    }
}

impl<L: ?Sized> Known<L> {
    async fn new(cluster: &Cluster, kind: Kind, id: Arc<str>, look: Look<L>) -> Self {
        let link = look(cluster, Arc::clone(&id));
        let mut this = Self { kind, id, look, link, asked: Instant::now(), dropped: 0 };
        if this.link.is_none() {
            this.ask(cluster).await;
        }
        this
    }

    /// Asks the registry once a second at most.
    pub(super) async fn find(&mut self, cluster: &Cluster) -> Option<Arc<L>> {
        if self.link.is_none() {
            self.link = (self.look)(cluster, Arc::clone(&self.id));
        }
        let asks = self.link.is_none() && self.asked.elapsed() >= LOOK_UP;
        if asks {
            self.ask(cluster).await;
        }
        if self.link.is_none() {
            self.dropped += 1;
            if asks || self.dropped == 1 {
                let Self { kind, id, dropped, .. } = self;
                let text = "messages come from a server that is not in the registry; they are dropped";
                tracing::warn!(%kind, id = &**id, dropped, "{text}");
            }
        }
        self.link.clone()
    }

    /// Who is not known yet may be in the registry already.
    async fn ask(&mut self, cluster: &Cluster) {
        let Self { kind, id, .. } = self;
        match timeout(LOOK_UP, cluster.seek(*kind, id)).await {
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%kind, id = &**id, error, "the registry was not asked who calls");
            }
            Ok(Ok(())) => {}
            Err(_) => tracing::warn!(%kind, id = &**id, "the registry does not say who calls"),
        }
        self.asked = Instant::now();
        self.link = (self.look)(cluster, Arc::clone(id));
    }
}
