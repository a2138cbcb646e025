//! What registries behind a server have in common: entries that are kept, lists that are followed, and what happens to
//! both while the server is away.

mod entry;
mod outages;
mod retry;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use self::entry::{Command, Entry};
pub(super) use self::outages::Complaints;
use self::outages::Outages;
use self::retry::Backoff;
#[cfg(feature = "consul")]
pub(super) use self::retry::jitter;
pub(super) use self::retry::until;
#[cfg(feature = "etcd")]
pub(super) use self::view::Change;
pub(super) use self::view::View;
use super::{Instance, Instances, Kind, RegistryError, Watch};

/// A task that ends at once is one of a runtime that ends.
const ROUNDS: usize = 3;

/// One kind of server. Every call ends in a time of its own.
pub(super) trait Backend: fmt::Debug + Send + Sync + 'static {
    /// What is remembered of an entry between two calls, as its lease.
    type Hold: Default + Send + 'static;

    /// The word for the log.
    const NAME: &'static str;

    /// Between two refreshes of an entry.
    fn refresh_interval(&self) -> Duration;

    /// How long an instance may be missing after the server was away. The others need it to notice, and to register again.
    fn grace(&self) -> Duration;

    /// What to change, if the server cannot hold this instance.
    fn check(&self, instance: &Instance) -> Result<(), String>;

    /// Writes the entry, or replaces it. May be dropped half way: then it is called again.
    fn put(&self, instance: &Instance, hold: &mut Self::Hold) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Says that the instance lives. [`Failure::Gone`]: the server knows nothing of it.
    fn refresh(&self, kind: Kind, id: &str, hold: &mut Self::Hold) -> impl Future<Output = Result<(), Failure>> + Send;

    fn remove(&self, kind: Kind, id: &str, hold: &mut Self::Hold) -> impl Future<Output = Result<(), Failure>> + Send;

    fn list(&self, kind: Kind) -> impl Future<Output = Result<Vec<Instance>, Failure>> + Send;

    /// Tells the view the list and what follows, until something is wrong.
    fn follow(&self, kind: Kind, view: &View) -> impl Future<Output = End> + Send;
}

/// Why the server did not do it.
#[derive(Debug)]
pub(super) enum Failure {
    Unreachable(Cause),
    Refused(Cause),
    /// What was written once is there no more.
    Gone(Cause),
}

/// Why a list is followed no more.
#[derive(Debug)]
pub(super) enum End {
    /// The server has forgotten what was between two lists, but it is there: the next list is right.
    #[cfg(feature = "etcd")]
    Outdated,
    /// The connection is gone. There may be another one.
    Broken,
    Failed(Failure),
}

pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Failure {
    fn into_cause(self) -> Cause {
        match self {
            Self::Unreachable(cause) | Self::Refused(cause) | Self::Gone(cause) => cause,
        }
    }
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(cause) => Self::Refused(cause),
            other => Self::Unreachable(other.into_cause()),
        }
    }
}

/// The clones of one registry.
pub(super) struct Remote<B: Backend> {
    backend: Arc<B>,
    outages: Arc<Outages>,
    entries: Mutex<HashMap<(Kind, String), mpsc::Sender<Command>>>,
    followed: Mutex<BTreeMap<Kind, Followed>>,
}

struct Followed {
    view: Arc<View>,
    task: AbortHandle,
}

impl<B: Backend> Remote<B> {
    pub(super) fn new(backend: B) -> Self {
        Self {
            backend: Arc::new(backend),
            outages: Arc::new(Outages::new(B::NAME)),
            entries: Mutex::default(),
            followed: Mutex::default(),
        }
    }

    #[cfg(feature = "consul")]
    pub(super) fn backend(&self) -> &B {
        &self.backend
    }

    pub(super) async fn register(&self, instance: Instance) -> Result<(), RegistryError> {
        let (kind, id) = (instance.kind, instance.id.clone());
        if let Err(reason) = self.backend.check(&instance) {
            return Err(RegistryError::Unsuitable { kind, id, reason });
        }
        for _ in 0..ROUNDS {
            let (reply, answer) = oneshot::channel();
            let asked = self.entry(kind, &id).send(Command::Put(Box::new(instance.clone()), reply)).await;
            if let (Ok(()), Ok(result)) = (asked, answer.await) {
                return Ok(result?);
            }
        }
        Err(RegistryError::Unreachable("the runtime ends".into()))
    }

    pub(super) async fn deregister(&self, kind: Kind, id: &str) -> Result<(), RegistryError> {
        let known = self.entries().get(&(kind, id.to_owned())).cloned();
        if let Some(entry) = known {
            let (reply, answer) = oneshot::channel();
            if let (Ok(()), Ok(result)) = (entry.send(Command::Remove(reply)).await, answer.await) {
                return Ok(result?);
            }
        }
        Ok(self.backend.remove(kind, id, &mut B::Hold::default()).await?)
    }

    pub(super) async fn list(&self, kind: Kind) -> Result<Instances, RegistryError> {
        let list = self.backend.list(kind).await?;
        let view = self.followed().get(&kind).map(|followed| Arc::clone(&followed.view));
        Ok(match view {
            Some(view) => view.with_awaited(list),
            None => list.into(),
        })
    }

    /// See [`Registry::is_listed`](super::Registry::is_listed). What nobody here has registered or follows is not known.
    pub(super) fn is_listed(&self, kind: Kind, id: &str) -> bool {
        let is_ours = self.entries().contains_key(&(kind, id.to_owned()));
        let followed = self.followed();
        let view = followed.get(&kind).map(|followed| &followed.view).filter(|_| is_ours);
        view.is_none_or(|view| view.is_listed(id))
    }

    /// The server has it, although its lists do not say so yet. Whether anybody watches.
    #[cfg(feature = "consul")]
    pub(super) fn waits_for(&self, instance: Instance) -> bool {
        let view = self.followed().get(&instance.kind).map(|followed| Arc::clone(&followed.view));
        view.is_some_and(|view| view.waits_for(instance))
    }

    pub(super) async fn watch(&self, kind: Kind) -> Result<Watch, RegistryError> {
        if let Some(watch) = self.watch_followed(kind) {
            return Ok(watch);
        }
        // A server that does not answer is an error of the first watch.
        let list = self.backend.list(kind).await?;
        if let Some(watch) = self.watch_followed(kind) {
            return Ok(watch);
        }
        let (view, watch) = View::new(list, self.backend.grace());
        let view = Arc::new(view);
        let task = self.follow(kind, &view);
        self.followed().insert(kind, Followed { view, task });
        Ok(watch)
    }

    fn watch_followed(&self, kind: Kind) -> Option<Watch> {
        let mut known = self.followed();
        let followed = known.get_mut(&kind)?;
        let watch = followed.view.watch()?;
        // A task ends with the runtime of the first watch.
        if followed.task.is_finished() {
            followed.task = self.follow(kind, &followed.view);
        }
        Some(watch)
    }

    fn follow(&self, kind: Kind, view: &Arc<View>) -> AbortHandle {
        let (backend, outages, view) = (Arc::clone(&self.backend), Arc::clone(&self.outages), Arc::clone(view));
        tokio::spawn(async move {
            let subject = format!("list of {kind}s");
            tokio::select! {
                () = follow(&*backend, &outages, &subject, kind, &view) => {}
                () = view.settle() => {}
                () = view.unwatched() => outages.forget(&subject),
            }
        })
        .abort_handle()
    }

    /// The task of an entry, which lives as long as the registry: one that was removed may come back, in this order.
    fn entry(&self, kind: Kind, id: &str) -> mpsc::Sender<Command> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(&(kind, id.to_owned())).filter(|entry| !entry.is_closed()) {
            return entry.clone();
        }
        let (commands, queue) = mpsc::channel(1);
        let entry = Entry::new(&self.backend, &self.outages, kind, id);
        tokio::spawn(entry.keep(queue));
        entries.insert((kind, id.to_owned()), commands.clone());
        commands
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(Kind, String), mpsc::Sender<Command>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<Kind, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend> Drop for Remote<B> {
    fn drop(&mut self) {
        for followed in self.followed().values() {
            followed.task.abort();
        }
    }
}

impl<B: Backend> fmt::Debug for Remote<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("backend", &self.backend).finish_non_exhaustive()
    }
}

async fn follow<B: Backend>(backend: &B, outages: &Outages, subject: &str, kind: Kind, view: &View) {
    let mut backoff = Backoff::default();
    loop {
        let end = tokio::select! {
            end = backend.follow(kind, view) => end,
            never = async {
                loop {
                    view.listed_again().await;
                    outages.over(subject);
                }
            } => never,
        };
        if view.has_listed() {
            outages.over(subject);
            backoff.reset();
        }
        match end {
            #[cfg(feature = "etcd")]
            End::Outdated => tracing::debug!(subject, "the list is read again: changes were compacted"),
            End::Broken => view.lost(),
            End::Failed(failure) => {
                view.lost();
                outages.begin(subject, failure.into_cause());
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}
