mod folder;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use self::folder::{Claims, Complaints, Folder};
use super::{BoxFuture, Feed, Instance, Instances, Kind, Registry, RegistryError, Watch};
use crate::disk::{self, DiskError};

/// The registry of several processes on one machine: a directory. It needs no server, and serves development, tests
/// and small installations; it is not for network file systems.
///
/// `DIR/registry/KIND/ID.json` is the JSON of an [`Instance`]; bytes of an id that are no ASCII letters, digits, `_`, `.`
/// or `-` stand as `%` and two hex digits in the name. The owner of an instance locks `ID.lock` beside it. The system
/// takes the lock back when the process ends, even by `kill -9`, and from then on readers skip the instance. A process
/// that hangs is still registered.
///
/// An id belongs to the value that registered it, and to its clones: another one that registers it too is
/// [refused](RegistryError::Refused) with the id of the process that has it. Instances of a dropped value are gone.
/// Ids take at most 200 bytes as a file name.
///
/// Changes by other values are seen within the [interval](Self::interval). Files that are no instances are skipped and
/// logged once. While the directory cannot be read, or is away, watches keep the last list. Who clears the directory of
/// running processes takes them off the list until they register again, so do not put it where a cleaner of temporary
/// files finds it for weeks.
#[derive(Clone)]
pub struct DirRegistry {
    dir: Arc<Path>,
    interval: Duration,
    shelves: Arc<[Arc<Mutex<Shelf>>; 3]>,
}

/// All of one kind.
#[derive(Debug)]
struct Shelf {
    folder: Folder,
    is_open: bool,
    claims: Claims,
    watched: Option<Watched>,
    complaints: Complaints,
    is_unreadable: bool,
}

#[derive(Debug)]
struct Watched {
    feed: Feed,
    poller: AbortHandle,
}

impl DirRegistry {
    /// The registry in a directory, which is made by the first call to it. All processes name the same one.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let shelves = [Kind::Gate, Kind::Node, Kind::Mesh].map(|kind| Arc::new(Mutex::new(Shelf::new(&dir, kind))));
        Self { dir: dir.into(), interval: Duration::from_millis(100), shelves: Arc::new(shelves) }
    }

    /// How often a kind is read while somebody watches it. Default: 100 ms, and at least 1 ms.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    fn shelf(&self, kind: Kind) -> &Arc<Mutex<Shelf>> {
        match kind {
            Kind::Gate => &self.shelves[0],
            Kind::Node => &self.shelves[1],
            Kind::Mesh => &self.shelves[2],
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl FnOnce(&mut Shelf) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let mut shelf = Arc::clone(self.shelf(kind)).lock_owned().await;
        disk::blocking(move || {
            shelf.open()?;
            work(&mut shelf)
        })
        .await
    }
}

impl Registry for DirRegistry {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.with(instance.kind, move |shelf| {
            shelf.folder.register(&instance, &mut shelf.claims)?;
            shelf.refresh();
            Ok(())
        }))
    }

    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        let id = id.to_owned();
        Box::pin(self.with(kind, move |shelf| {
            shelf.folder.deregister(&id, &mut shelf.claims)?;
            shelf.refresh();
            Ok(())
        }))
    }

    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>> {
        Box::pin(self.with(kind, |shelf| Ok(shelf.folder.list(&mut shelf.complaints)?.into())))
    }

    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
        let (this, interval) = (Arc::downgrade(self.shelf(kind)), self.interval);
        Box::pin(self.with(kind, move |shelf| {
            let poll = || tokio::spawn(poll(this, interval)).abort_handle();
            shelf.refresh();
            if let Some(watched) = &mut shelf.watched {
                // A poller ends with the runtime of the first watch.
                if watched.poller.is_finished() {
                    watched.poller = poll();
                }
                return Ok(watched.feed.watch());
            }
            let list = shelf.folder.list(&mut shelf.complaints)?;
            let (feed, watch) = Watch::channel(list.into());
            shelf.watched = Some(Watched { feed, poller: poll() });
            Ok(watch)
        }))
    }

    fn latency(&self) -> Duration {
        // One look may just have missed the change, and the next one may be late.
        self.interval * 3
    }
}

/// Reads one kind until nobody watches it or the registry is dropped.
async fn poll(shelf: Weak<Mutex<Shelf>>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(shelf) = shelf.upgrade() else { return };
        let mut shelf = shelf.lock_owned().await;
        let poll = move || {
            shelf.watched.take_if(|watched| watched.feed.is_closed());
            shelf.refresh();
            Ok::<_, DiskError>(shelf.watched.is_some())
        };
        if !matches!(disk::blocking(poll).await, Ok(true)) {
            return;
        }
    }
}

impl Shelf {
    fn new(dir: &Path, kind: Kind) -> Self {
        Self {
            folder: Folder::new(dir, kind),
            is_open: false,
            claims: Claims::new(),
            watched: None,
            complaints: Complaints::default(),
            is_unreadable: false,
        }
    }

    /// Makes the folder once: later a missing one means that it was cleared away.
    fn open(&mut self) -> Result<(), DiskError> {
        if !self.is_open {
            self.folder.create()?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Tells the watches what the folder holds now, if they do not know it.
    fn refresh(&mut self) {
        let Some(watched) = &self.watched else { return };
        match self.folder.list(&mut self.complaints) {
            Ok(list) => {
                self.is_unreadable = false;
                if *list != *watched.feed.latest() {
                    watched.feed.publish(list.into());
                }
            }
            Err(error) if !self.is_unreadable => {
                self.is_unreadable = true;
                tracing::warn!(error = &error as &dyn std::error::Error, "the registry keeps its last list");
            }
            Err(_) => {}
        }
    }
}

impl From<DiskError> for RegistryError {
    fn from(error: DiskError) -> Self {
        match error.is_refusal() {
            true => Self::Refused(error.into()),
            false => Self::Unreachable(error.into()),
        }
    }
}

impl fmt::Debug for DirRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirRegistry").field("dir", &self.dir).field("interval", &self.interval).finish()
    }
}
