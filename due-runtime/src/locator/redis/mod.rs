mod event;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use ::redis::{Cmd, cmd};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use self::event::Event;
use super::{BoxFuture, Change, Changes, Gid, LocateError, Locator, Nid, Uid};
use crate::redis::{Channels, Failure, Heard, Redis};

/// Changes that a server may be behind before it is told that it missed some.
const BEHIND: usize = 4096;

/// What due's scripts answer.
const DONE: &str = "OK";

/// One step, so that of several who bind each hears of the one before; redis 6.0 has no `SET .. KEEPTTL GET` yet.
const BIND_GATE: &str = "\
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
return before";

const UNBIND_GATE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
    return {'OK'}
end
return {'NO'}";

const UNBIND_NODE: &str = "\
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[1])
    return {'OK'}
end
return {'NO'}";

/// The locator of processes on many machines: a redis, as due v2.5.8 uses it, so that Go processes share it.
///
/// With the default prefix, what is kept and what is published are
///
/// | key or channel | holds |
/// |---|---|
/// | `due:locate:locate:user:1001:gate` | a string: the id of the gate |
/// | `due:locate:locate:user:1001:node` | a hash: name of the nodes to id of the node |
/// | `due:locate:locate:cluster:gate:event` | `{"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""}` |
/// | `due:locate:locate:cluster:node:event` | `{"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"game"}` |
///
/// where type 1 and 2 are a bind to a gate or node, 3 and 4 the unbinds. Nothing expires. In redis the bind
/// to a node is one command, the rest are scripts; what they change is published after it. A change that could not be published is logged,
/// and the call succeeds.
///
/// [`changes`](Locator::changes) listens to both channels over a connection of its own, which is made anew when it breaks;
/// [`Change::Unknown`] follows every gap. A connection that has fallen silent is noticed after 8 s at most. While redis is
/// away, servers go on with what they remember.
///
/// # Errors
/// [`LocateError::Unreachable`] while redis is away, is loading or fails over, after all retries or at the
/// [timeout](crate::redis::RedisBuilder::timeout), 3 s unless changed: it is not known whether the call was carried out.
/// [`LocateError::Refused`] for a wrong password, for what redis' access lists forbid, and for values of another type.
///
/// # Cancel safety
/// A bind or unbind whose future is dropped may have been carried out, and not been published.
#[derive(Clone)]
pub struct RedisLocator {
    inner: Arc<Inner>,
}

struct Inner {
    redis: Redis,
    prefix: String,
    changes: broadcast::Sender<Change>,
    /// Runs from the first question for changes on.
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl RedisLocator {
    /// A locator below the prefix `due:locate`.
    pub fn new(redis: &Redis) -> Self {
        Self::with_prefix(redis, "due:locate")
    }

    /// A locator below another prefix. All processes of a cluster have the same one.
    pub fn with_prefix(redis: &Redis, prefix: impl Into<String>) -> Self {
        let inner = Inner {
            redis: redis.clone(),
            prefix: prefix.into(),
            changes: broadcast::channel(BEHIND).0,
            listener: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    async fn call<T: ::redis::FromRedisValue>(&self, command: &mut Cmd) -> Result<T, LocateError> {
        Ok(self.inner.redis.call(command).await?)
    }

    async fn unbind(&self, script: &mut Cmd, event: Event<'_>) -> Result<bool, LocateError> {
        let reply: Vec<String> = self.call(script).await?;
        let unbound = reply.first().is_some_and(|reply| reply == DONE);
        if unbound {
            self.publish(event).await;
        }
        Ok(unbound)
    }

    async fn publish(&self, event: Event<'_>) {
        let channel = self.inner.channel(event.ins_kind);
        let published: Result<i64, _> = self.inner.redis.call(cmd("PUBLISH").arg(channel).arg(event.to_json())).await;
        if let Err(error) = published {
            let (uid, error) = (event.uid, &error as &dyn std::error::Error);
            tracing::warn!(uid, error, "a change of the locator was not published");
        }
    }
}

impl Locator for RedisLocator {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(async move {
            let mut script = cmd("EVAL");
            script.arg(BIND_GATE).arg(1).arg(self.inner.gate_key(uid)).arg(gid.as_str());
            let before: Option<String> = self.call(&mut script).await?;
            self.publish(Event::gate_bound(uid, gid)).await;
            Ok(before.filter(|id| !id.is_empty()).map(Gid::from))
        })
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async move {
            let mut script = cmd("EVAL");
            script.arg(UNBIND_GATE).arg(1).arg(self.inner.gate_key(uid)).arg(gid.as_str());
            self.unbind(&mut script, Event::gate_unbound(uid, gid)).await
        })
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        Box::pin(async move {
            let id: Option<String> = self.call(cmd("GET").arg(self.inner.gate_key(uid))).await?;
            Ok(id.filter(|id| !id.is_empty()).map(Gid::from))
        })
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        Box::pin(async move {
            let _: i64 = self.call(cmd("HSET").arg(self.inner.node_key(uid)).arg(name).arg(nid.as_str())).await?;
            self.publish(Event::node_bound(uid, name, nid)).await;
            Ok(())
        })
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async move {
            let mut script = cmd("EVAL");
            script.arg(UNBIND_NODE).arg(1).arg(self.inner.node_key(uid)).arg(name).arg(nid.as_str());
            self.unbind(&mut script, Event::node_unbound(uid, name, nid)).await
        })
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        Box::pin(async move {
            let id: Option<String> = self.call(cmd("HGET").arg(self.inner.node_key(uid)).arg(name)).await?;
            Ok(id.filter(|id| !id.is_empty()).map(Nid::from))
        })
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        Box::pin(async move {
            let ids: BTreeMap<String, String> = self.call(cmd("HGETALL").arg(self.inner.node_key(uid))).await?;
            Ok(ids.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (name, id.into())).collect())
        })
    }

    /// # Panics
    /// Outside of a tokio runtime.
    fn changes(&self) -> Option<Changes> {
        let changes = self.inner.changes.subscribe();
        let mut listener = self.inner.listener.lock().unwrap();
        // One that ended has lost its runtime.
        if listener.as_ref().is_none_or(JoinHandle::is_finished) {
            *listener = Some(self.inner.listen());
        }
        Some(Changes::new(changes))
    }
}

impl Inner {
    fn gate_key(&self, uid: Uid) -> String {
        format!("{}:locate:user:{uid}:gate", self.prefix)
    }

    fn node_key(&self, uid: Uid) -> String {
        format!("{}:locate:user:{uid}:node", self.prefix)
    }

    /// `kind` is gate or node.
    fn channel(&self, kind: &str) -> String {
        format!("{}:locate:cluster:{kind}:event", self.prefix)
    }

    fn listen(&self) -> JoinHandle<()> {
        let names = [event::GATE, event::NODE].map(|kind| self.channel(kind)).into();
        let (redis, told) = (self.redis.clone(), self.changes.clone());
        tokio::spawn(async move {
            let (_never_changed, channels) = watch::channel(Channels { names, version: 0 });
            let mut has_complained = false;
            redis
                .follow(channels, |heard| {
                    let change = match heard {
                        Heard::Listening(_) => Change::Unknown,
                        // Redis answers, but tells nothing: nobody corrects what is remembered.
                        Heard::Lost(failure) if failure.is_refusal() => Change::Unknown,
                        Heard::Lost(_) => return,
                        Heard::Message { channel, payload } => match event::read(payload) {
                            Ok(change) => change,
                            Err(error) => {
                                // Whoever publishes such things will go on.
                                if !std::mem::replace(&mut has_complained, true) {
                                    let error = &error as &dyn std::error::Error;
                                    tracing::warn!(channel, error, "not a change of a locator; more are passed over");
                                }
                                return;
                            }
                        },
                    };
                    // An error: nobody listens at the moment.
                    let _ = told.send(change);
                })
                .await;
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get_mut().unwrap().take() {
            listener.abort();
        }
    }
}

impl fmt::Debug for RedisLocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLocator")
            .field("redis", &self.inner.redis)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl From<Failure> for LocateError {
    fn from(failure: Failure) -> Self {
        match failure.is_refusal() {
            true => Self::Refused(failure.into()),
            false => Self::Unreachable(failure.into()),
        }
    }
}
