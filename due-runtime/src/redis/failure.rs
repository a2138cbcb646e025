use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::server::Server;

/// What a server says to one client too many.
const FULL: &str = "max number of clients reached";

/// Why redis gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("redis at {server} did not answer within {timeout:?}")]
    Late { server: Arc<str>, timeout: Duration },
    /// What it is asked for now fails; later it may not.
    #[error("redis at {server} is not ready")]
    Passing { server: Arc<str>, is_of_connection: bool, was_sent: bool, source: RedisError },
    #[error("redis at {server} says no")]
    Refused { server: Arc<str>, source: RedisError },
}

impl Failure {
    pub(super) fn of(server: &Server, source: RedisError) -> Self {
        let (server, is_cluster) = (server.name(), server.is_cluster());
        let (is_passing, is_of_connection) = match source.kind() {
            ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => (true, true),
            ErrorKind::Server(kind) => match kind {
                // A server that was a master a moment ago; its name may lead to another one by now.
                ServerErrorKind::ReadOnly => (true, true),
                ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain => (true, false),
                // One server of a cluster, used as if it were alone, will say so for ever.
                ServerErrorKind::Moved | ServerErrorKind::Ask => (is_cluster, false),
                ServerErrorKind::ResponseError => (source.detail().is_some_and(|it| it.contains(FULL)), false),
                _ => (false, false),
            },
            // Another client's script runs; a master waits for its replicas.
            ErrorKind::Extension => (matches!(source.code(), Some("BUSY" | "NOREPLICAS")), false),
            _ => (false, false),
        };
        match is_passing {
            true => Self::Passing { server, is_of_connection, was_sent: false, source },
            false => Self::Refused { server, source },
        }
    }

    /// The command was on its way when this happened.
    pub(super) fn after_sending(mut self) -> Self {
        if let Self::Passing { was_sent, .. } = &mut self {
            *was_sent = true;
        }
        self
    }

    /// The command may have been carried out. (A server that says no has not.)
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Passing { is_of_connection: true, was_sent: true, .. })
    }

    /// Whether the same call may succeed a little later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Passing { .. })
    }

    pub(super) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Passing { is_of_connection: true, .. })
    }

    /// The reply is not what was asked for, and will not be at the next attempt.
    pub(super) fn for_ever(self) -> Self {
        match self {
            Self::Passing { server, source, .. } => Self::Refused { server, source },
            other => other,
        }
    }

    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
