//! A redis that the servers of a cluster share: how it is reached, once for everything that is kept there.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use due::locator::RedisLocator;
//! use due::redis::Redis;
//! use due::{App, Backends, Gate};
//!
//! let redis = Redis::builder().addr("redis.example:6379").password("secret").build()?;
//! let backends = Backends::memory().locator(RedisLocator::new(&redis));
//! App::new().backends(backends).gate(Gate::builder().tcp("0.0.0.0:3554").build()).run().await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod failure;
mod feed;
mod server;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue};
use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use self::builder::{RedisBuilder, RedisSetupError};
pub(crate) use self::failure::Failure;
pub(crate) use self::feed::{Channels, Heard};
use self::server::{Connection, Server};
use crate::backoff::Backoff;
use crate::future::BoxFuture;

/// Between two attempts at one call, as in go-redis.
const FIRST_PAUSE: Duration = Duration::from_millis(8);
const LONGEST_PAUSE: Duration = Duration::from_millis(512);
/// A connection to a cluster is many, which mend themselves, and of which one may be broken for long: it is not made anew
/// more often.
const CLUSTER_AGE: Duration = Duration::from_secs(30);
/// Calls that the attempt to connect to a cluster may outlast: it asks several servers, each of which may stand still.
const CLUSTER_CALLS: u32 = 3;

/// A redis server, or a redis cluster, and the connection to it. Cheap to clone; clones share the connection.
///
/// Nothing is connected before it is needed, and what breaks is connected again: a redis that is not there yet, or not
/// any more, costs the calls of that time and nothing else. Every call has a deadline
/// ([`timeout`](RedisBuilder::timeout)), which covers connecting and all attempts.
///
/// Each process needs one connection for calls, and one more for what it subscribes to.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<Server>,
    max_retries: u32,
    timeout: Duration,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Of the connection, or of the attempt at one.
    number: u64,
    connecting: Option<Connecting>,
}

/// Goes on when those who waited for it gave up, if others wait.
type Connecting = Shared<BoxFuture<'static, Result<Connected, Arc<Failure>>>>;

#[derive(Clone)]
struct Connected {
    born: Instant,
    connection: Connection,
}

impl Redis {
    /// How a redis is reached. Default: 127.0.0.1:6379.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    fn new(server: Server, max_retries: u32, timeout: Duration) -> Self {
        let inner = Inner { server: Arc::new(server), max_retries, timeout, current: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// One command that may be carried out twice: it is sent again when it is not known whether it was carried out.
    pub(crate) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        self.attempts(command, Failure::is_passing).await
    }

    /// One command that is carried out once at most.
    pub(crate) async fn call_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        self.attempts(command, |failure| failure.is_passing() && !failure.is_in_doubt()).await
    }

    async fn attempts<T: FromRedisValue>(
        &self,
        command: &Cmd,
        is_repeated_after: fn(&Failure) -> bool,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.inner.timeout;
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut retries = self.inner.max_retries;
        loop {
            let failure = match self.attempt(command, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let pause = pauses.pause();
            if retries == 0 || !is_repeated_after(&failure) || Instant::now() + pause >= deadline {
                return Err(failure);
            }
            retries -= 1;
            sleep(pause).await;
        }
    }

    async fn attempt<T: FromRedisValue>(&self, command: &Cmd, deadline: Instant) -> Result<T, Failure> {
        let Ok(connected) = timeout_at(deadline, self.connected()).await else { return Err(self.late()) };
        let (number, Connected { born, mut connection }) = connected?;
        let failure = match timeout_at(deadline, connection.send(command)).await {
            Ok(Ok(reply)) => return T::from_redis_value(reply).map_err(|error| self.failed(error.into()).for_ever()),
            Ok(Err(error)) => self.failed(error).after_sending(),
            Err(_) => self.late(),
        };
        if failure.is_of_connection() && (!self.inner.server.is_cluster() || born.elapsed() >= CLUSTER_AGE) {
            self.discard(number);
        }
        Err(failure)
    }

    async fn connected(&self) -> Result<(u64, Connected), Failure> {
        let (mut number, connecting) = self.connecting();
        let mut connected = connecting.await;
        if connected.is_err() {
            // Perhaps somebody's who gave up long ago, which nobody has looked after since.
            self.discard(number);
            let (again, connecting) = self.connecting();
            (number, connected) = (again, connecting.await);
        }
        connected.map(|connected| (number, connected)).map_err(|failure| {
            self.discard(number);
            Failure::clone(&failure)
        })
    }

    fn connecting(&self) -> (u64, Connecting) {
        let mut current = self.inner.current.lock().unwrap();
        let Current { number, connecting } = &mut *current;
        let connecting = connecting.get_or_insert_with(|| {
            *number += 1;
            let server = Arc::clone(&self.inner.server);
            let patience = if server.is_cluster() { self.inner.timeout * CLUSTER_CALLS } else { self.inner.timeout };
            let connect = async move {
                let failure = match timeout(patience, server.connect()).await {
                    Ok(Ok(connection)) => return Ok(Connected { born: Instant::now(), connection }),
                    Ok(Err(error)) => Failure::of(&server, error),
                    Err(_) => Failure::Late { server: server.name(), timeout: patience },
                };
                Err(Arc::new(failure))
            };
            let connect: BoxFuture<'static, _> = Box::pin(connect);
            connect.shared()
        });
        let connecting = connecting.clone();
        (*number, connecting)
    }

    /// The next call connects anew, unless somebody has already.
    fn discard(&self, broken: u64) {
        let mut current = self.inner.current.lock().unwrap();
        if current.number == broken {
            current.connecting = None;
        }
    }

    fn failed(&self, source: ::redis::RedisError) -> Failure {
        Failure::of(&self.inner.server, source)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.inner.timeout
    }

    pub(crate) fn late(&self) -> Failure {
        Failure::Late { server: self.inner.server.name(), timeout: self.inner.timeout }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("server", &self.inner.server.name()).finish_non_exhaustive()
    }
}
