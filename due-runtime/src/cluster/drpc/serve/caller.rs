//! Who calls, and the way back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::cluster::link::{Entrance, GateLink, NodeLink, NodeServer};
use crate::future::BoxFuture;
use crate::id::{Gid, Nid};

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
    link: Option<Arc<L>>,
    asked: Instant,
    /// Messages that were dropped, as nobody knows the way back.
    dropped: u64,
}

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

impl<L: ?Sized> Known<L> {
    pub(super) fn new(link: Option<Arc<L>>, asked: Instant) -> Self {
        Self { link, asked, dropped: 0 }
    }

    /// Asks the registry once a second at most.
    pub(super) async fn find(&mut self, cluster: &Cluster, look: impl Fn() -> Option<Arc<L>>) -> Option<Arc<L>> {
        if self.link.is_none() {
            self.link = look();
        }
        let asks = self.link.is_none() && self.asked.elapsed() >= LOOK_UP;
        if asks {
            self.link = known(cluster, look).await;
            self.asked = Instant::now();
        }
        if self.link.is_none() {
            self.dropped += 1;
            if asks || self.dropped == 1 {
                let dropped = self.dropped;
                tracing::warn!(dropped, "messages come from a server that is not in the registry; they are dropped");
            }
        }
        self.link.clone()
    }
}

/// Who is not known yet may be in the registry already.
pub(super) async fn known<L: ?Sized>(cluster: &Cluster, look: impl Fn() -> Option<Arc<L>>) -> Option<Arc<L>> {
    if let Some(link) = look() {
        return Some(link);
    }
    match timeout(LOOK_UP, cluster.refresh()).await {
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the registry was not asked who calls")
        }
        Ok(Ok(())) => {}
        Err(_) => tracing::warn!("the registry does not say who calls"),
    }
    look()
}
