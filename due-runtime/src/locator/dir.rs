use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{BoxFuture, Gid, LocateError, Locator, Nid, Uid};
use crate::disk::{self, DiskError};

/// Users are spread over so many folders, each with a guard of its own.
const SHARDS: i64 = 256;

/// Threads that one value keeps busy at a time; more requests wait for their turn.
const WORKERS: usize = 8;

/// The locator of several processes on one machine: a directory. It needs no server, and serves development, tests and
/// small installations; it is not for network file systems.
///
/// `DIR/locator/SHARD/UID.json` is `{"gate":"g1","nodes":{"game":"n1"}}`, where the shard is the user id modulo 256 as
/// two hex digits. Readers take no lock. Writers lock `guard` in the folder of the shard for a few system calls; a
/// process that was stopped in between fails the others after 2 s, one that was killed does not.
///
/// What a gate or node that died had noted stays until somebody binds the user anew, or looks for him. That is no harm:
/// the registry knows that the instance is gone.
///
/// A file that is no location is [refused](LocateError::Refused) to who reads it, and replaced by the next `bind`.
#[derive(Clone, Debug)]
pub struct DirLocator {
    dir: Arc<Path>,
    workers: Arc<Semaphore>,
}

/// A user without gate and nodes has no file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    nodes: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{} is no location", path.display())]
struct NoLocation {
    path: PathBuf,
    source: serde_json::Error,
}

impl DirLocator {
    /// The locator in a directory, which is made by the first `bind`. All processes name the same one.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into().join("locator").into(), workers: Arc::new(Semaphore::new(WORKERS)) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        uid: Uid,
        work: impl FnOnce(&UserFile) -> Result<T, LocateError> + Send + 'static,
    ) -> Result<T, LocateError> {
        let folder = self.dir.join(format!("{:02x}", uid.0.rem_euclid(SHARDS)));
        let file = UserFile { path: folder.join(format!("{uid}.json")), guard: folder.join("guard") };
        let worker = Arc::clone(&self.workers).acquire_owned().await.expect("the semaphore is never closed");
        disk::blocking(move || {
            let done = work(&file);
            drop(worker);
            done
        })
        .await
    }

    async fn locate<T: Send + 'static>(
        &self,
        uid: Uid,
        look: impl FnOnce(Place) -> T + Send + 'static,
    ) -> Result<T, LocateError> {
        self.blocking(uid, |file| Ok(look(file.read()?))).await
    }

    async fn bind<T: Send + 'static>(
        &self,
        uid: Uid,
        note: impl FnOnce(&mut Place) -> T + Send + 'static,
    ) -> Result<T, LocateError> {
        self.blocking(uid, move |file| {
            let _guard = disk::guard(&file.guard)?;
            let mut place = match file.read() {
                Err(LocateError::Refused(source)) if source.is::<NoLocation>() => {
                    tracing::warn!(%uid, error = &*source as &dyn std::error::Error, "a file in the locator is replaced");
                    Place::default()
                }
                read => read?,
            };
            let noted = note(&mut place);
            file.write(&place)?;
            Ok(noted)
        })
        .await
    }

    /// Takes a note away if `remove` says that it was there.
    async fn unbind(
        &self,
        uid: Uid,
        remove: impl FnOnce(&mut Place) -> bool + Send + 'static,
    ) -> Result<bool, LocateError> {
        self.blocking(uid, |file| {
            // Nobody is there: no reason to make folders.
            if file.read()? == Place::default() {
                return Ok(false);
            }
            let _guard = disk::guard(&file.guard)?;
            let mut place = file.read()?;
            let removed = remove(&mut place);
            if removed {
                file.write(&place)?;
            }
            Ok(removed)
        })
        .await
    }
}

impl Locator for DirLocator {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        let gid = gid.to_string();
        Box::pin(self.bind(uid, |place| place.gate.replace(gid).map(Gid::from)))
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        let gid = gid.to_string();
        Box::pin(self.unbind(uid, move |place| place.gate.take_if(|known| *known == gid).is_some()))
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        Box::pin(self.locate(uid, |place| place.gate.map(Gid::from)))
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        let (name, nid) = (name.to_owned(), nid.to_string());
        Box::pin(self.bind(uid, |place| drop(place.nodes.insert(name, nid))))
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        let (name, nid) = (name.to_owned(), nid.to_string());
        Box::pin(self.unbind(uid, move |place| {
            place.nodes.get(&name).is_some_and(|known| *known == nid) && place.nodes.remove(&name).is_some()
        }))
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        let name = name.to_owned();
        Box::pin(self.locate(uid, move |mut place| place.nodes.remove(&name).map(Nid::from)))
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        Box::pin(self.locate(uid, |place| place.nodes.into_iter().map(|(name, nid)| (name, nid.into())).collect()))
    }
}

struct UserFile {
    path: PathBuf,
    guard: PathBuf,
}

impl UserFile {
    fn read(&self) -> Result<Place, LocateError> {
        let Some(bytes) = disk::read(&self.path)? else { return Ok(Place::default()) };
        serde_json::from_slice(&bytes)
            .map_err(|source| LocateError::Refused(NoLocation { path: self.path.clone(), source }.into()))
    }

    fn write(&self, place: &Place) -> Result<(), LocateError> {
        if *place == Place::default() {
            return Ok(disk::remove(&self.path)?);
        }
        let bytes = serde_json::to_vec(place).expect("strings are valid JSON");
        Ok(disk::replace(&self.path, &bytes)?)
    }
}

impl From<DiskError> for LocateError {
    fn from(error: DiskError) -> Self {
        match error.is_refusal() {
            true => Self::Refused(error.into()),
            false => Self::Unreachable(error.into()),
        }
    }
}
