//! Typed pushes: the message knows its route.

use std::future::Future;

use super::{Audience, Cluster, ClusterError, Tally, Target};
use crate::codec::Body;
use crate::id::{RouteId, Uid};

/// A message that servers push to clients on a route of its own (`option (due.push)`).
pub trait Push: Body {
    /// The route that clients listen on.
    const ROUTE: RouteId;
}

/// The pushing methods of every [`Push`] message. On the wire: a packet with the message's route and seq 0.
pub trait PushExt: Push {
    /// To one session or user; see [`Cluster::push`].
    fn push(
        &self,
        cluster: &Cluster,
        target: impl Into<Target> + Send,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send {
        cluster.push(target, self)
    }

    /// To one session or user, which is then closed; see [`Cluster::push_and_disconnect`].
    fn push_and_disconnect(
        &self,
        cluster: &Cluster,
        target: impl Into<Target> + Send,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send {
        cluster.push_and_disconnect(target, self)
    }

    /// To many users; see [`Cluster::multicast`].
    fn multicast(&self, cluster: &Cluster, users: &[Uid]) -> impl Future<Output = Result<Tally, ClusterError>> + Send {
        cluster.multicast(users, self)
    }

    /// To every session or user of every gate; see [`Cluster::broadcast`].
    fn broadcast(
        &self,
        cluster: &Cluster,
        audience: Audience,
    ) -> impl Future<Output = Result<Tally, ClusterError>> + Send {
        cluster.broadcast(audience, self)
    }

    /// To the members of a channel; see [`Cluster::publish`].
    fn publish(&self, cluster: &Cluster, channel: &str) -> impl Future<Output = Result<Tally, ClusterError>> + Send {
        cluster.publish(channel, self)
    }
}

impl<P: Push> PushExt for P {}
