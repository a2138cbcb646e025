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
use tokio::time::{Instant, sleep, timeout_at};

pub use self::builder::{RedisBuilder, RedisSetupError};
pub(crate) use self::failure::Failure;
pub(crate) use self::feed::{Channels, Heard};
use self::server::{Connection, Server};
use crate::backoff::Backoff;

/// Between two attempts at one call, as in go-redis.
const FIRST_PAUSE: Duration = Duration::from_millis(8);
const LONGEST_PAUSE: Duration = Duration::from_millis(512);
/// A connection to a cluster is many, of which one may be broken for long: it is not made anew more often.
const CLUSTER_AGE: Duration = Duration::from_secs(1);

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
    server: Server,
    max_retries: u32,
    timeout: Duration,
    current: Mutex<Option<Numbered>>,
    /// Held by who connects; the others wait for what comes of it.
    connecting: tokio::sync::Mutex<u64>,
}

#[derive(Clone)]
struct Numbered {
    number: u64,
    born: Instant,
    connection: Connection,
}

impl Redis {
    /// How a redis is reached. Default: 127.0.0.1:6379.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    fn new(server: Server, max_retries: u32, timeout: Duration) -> Self {
        let inner = Inner {
            server,
            max_retries,
            timeout,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        };
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
        let Ok(connected) = timeout_at(deadline, self.connection()).await else { return Err(self.late()) };
        let mut numbered = connected?;
        let failure = match timeout_at(deadline, numbered.connection.send(command)).await {
            Ok(Ok(reply)) => return T::from_redis_value(reply).map_err(|error| self.failed(error.into()).for_ever()),
            Ok(Err(error)) => self.failed(error).after_sending(),
            Err(_) => self.late(),
        };
        if failure.is_of_connection() {
            self.discard(&numbered);
        }
        Err(failure)
    }

    async fn connection(&self) -> Result<Numbered, Failure> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut number = self.inner.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let connection = self.inner.server.connect().await.map_err(|error| self.failed(error))?;
        *number += 1;
        let numbered = Numbered { number: *number, born: Instant::now(), connection };
        *self.inner.current.lock().unwrap() = Some(numbered.clone());
        Ok(numbered)
    }

    fn current(&self) -> Option<Numbered> {
        self.inner.current.lock().unwrap().clone()
    }

    /// The next call connects anew, unless somebody has already.
    fn discard(&self, broken: &Numbered) {
        if self.inner.server.is_cluster() && broken.born.elapsed() < CLUSTER_AGE {
            return;
        }
        self.inner.current.lock().unwrap().take_if(|current| current.number == broken.number);
    }

    fn failed(&self, source: ::redis::RedisError) -> Failure {
        Failure::of(&self.inner.server, source)
    }

    pub(crate) fn timeout(&self) -> Duration {
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
