use std::sync::Arc;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, Value};

pub(super) struct Server {
    /// As they were given.
    pub(super) addrs: Arc<str>,
    /// One for each address.
    pub(super) clients: Vec<Client>,
    /// For several addresses.
    pub(super) cluster: Option<ClusterClient>,
}

#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Server {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.addrs)
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// The caller has the deadlines, here and in [`Connection::send`].
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        if let Some(cluster) = &self.cluster {
            return cluster.get_async_connection().await.map(Connection::Cluster);
        }
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connected = self.clients[0].get_multiplexed_async_connection_with_config(&config).await;
        connected.map(Connection::Single)
    }

    /// A connection that only subscribes. Every server of a cluster passes on what is published at any of them, so
    /// attempts take one after another.
    pub(super) async fn listen(&self, attempt: usize) -> RedisResult<PubSub> {
        self.clients[attempt % self.clients.len()].get_async_pubsub().await
    }
}

impl Connection {
    pub(super) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}
