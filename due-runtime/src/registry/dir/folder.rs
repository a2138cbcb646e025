use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{self, DiskError, MAX_FILE};
use crate::registry::{Instance, Kind, RegistryError};

/// Bytes of an id as a file name: file systems allow 255, and an extension follows.
const MAX_NAME: usize = 200;

/// Readers hold a lock for two system calls; who waits this long waits for a reader that was stopped.
const READERS_DEADLINE: Duration = Duration::from_secs(1);

/// The files of one kind: `NAME.json` is the instance, `NAME.lock` is locked as long as its owner lives. `guard` is
/// locked for a moment by whoever makes or removes a lock file, so that nobody locks a file that was just unlinked.
#[derive(Debug)]
pub(super) struct Folder {
    kind: Kind,
    path: PathBuf,
}

/// Of the instances that one registry value owns, by id.
pub(super) type Claims = HashMap<String, Claim>;

/// An instance is registered as long as this is held.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

/// What a file turned out to be, or why it is skipped.
type Looked = Result<Option<Instance>, String>;

/// What was wrong in the folder at the last look: each thing is logged once.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    known: BTreeSet<String>,
}

/// Somebody else has registered this kind and id.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {id} is registered already, by {owner}")]
struct Held {
    kind: Kind,
    id: String,
    owner: String,
}

impl Folder {
    pub(super) fn new(dir: &Path, kind: Kind) -> Self {
        Self { kind, path: dir.join("registry").join(kind.as_str()) }
    }

    pub(super) fn create(&self) -> Result<(), DiskError> {
        disk::create_dir(&self.path)
    }

    /// Writes an instance, and claims its id unless it is ours.
    pub(super) fn register(&self, instance: &Instance, claims: &mut Claims) -> Result<(), RegistryError> {
        let id = &instance.id;
        let name = self.name(id)?;
        let bytes = serde_json::to_vec(instance).map_err(|error| self.unsuitable(id, error.to_string()))?;
        if bytes.len() > MAX_FILE {
            return Err(self.unsuitable(id, format!("its JSON has more than {MAX_FILE} bytes")));
        }
        let _guard = self.guard()?;
        // The directory may have been cleared under a running owner.
        if claims.contains_key(id) && self.file(&name, "lock").exists() {
            return Ok(disk::replace(&self.file(&name, "json"), &bytes)?);
        }
        let claim = self.claim(id, &name)?;
        if let Err(error) = disk::replace(&self.file(&name, "json"), &bytes) {
            self.clear(&name)?;
            return Err(error.into());
        }
        claims.insert(id.clone(), claim);
        Ok(())
    }

    /// Takes an instance back that is ours or nobody's.
    pub(super) fn deregister(&self, id: &str, claims: &mut Claims) -> Result<(), RegistryError> {
        let Ok(name) = self.name(id) else { return Ok(()) };
        let _guard = self.guard()?;
        if !claims.contains_key(id) {
            if !self.file(&name, "lock").exists() {
                return Ok(());
            }
            claims.insert(id.to_owned(), self.claim(id, &name)?);
        }
        self.clear(&name)?;
        claims.remove(id);
        Ok(())
    }

    /// All instances whose owners live, by id. What the dead left is removed.
    pub(super) fn list(&self, complaints: &mut Complaints) -> Result<Vec<Instance>, DiskError> {
        let failed = |source| DiskError::new("read directory", &self.path, source);
        let mut list = Vec::new();
        let mut wrong = BTreeSet::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let looked = match path.extension().and_then(|extension| extension.to_str()) {
                Some("lock" | "json") if !entry.file_type().map_err(failed)?.is_file() => Err("no file".to_owned()),
                Some("lock") => self.look(&path)?,
                Some("json") => look_for_owner(&path),
                _ => continue,
            };
            match looked {
                Ok(instance) => list.extend(instance),
                Err(reason) => {
                    if complaints.is_new(&path, &mut wrong) {
                        tracing::warn!(path = %path.display(), reason, "a file in the registry is skipped");
                    }
                }
            }
        }
        complaints.known = wrong;
        list.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(list)
    }

    /// The instance of a lock file: none if its owner is gone, or has not written it yet.
    fn look(&self, lock: &Path) -> Result<Looked, DiskError> {
        let Some(name) = lock.file_stem().and_then(|name| name.to_str()) else {
            return Ok(Err("no name of an instance".to_owned()));
        };
        if !is_held(lock)? {
            self.sweep(name);
            return Ok(Ok(None));
        }
        let path = self.file(name, "json");
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Ok(Ok(None));
        }
        let Some(bytes) = disk::read(&path)? else { return Ok(Ok(None)) };
        if bytes.len() > MAX_FILE {
            return Ok(Err(format!("more than {MAX_FILE} bytes")));
        }
        Ok(match serde_json::from_slice::<Instance>(&bytes) {
            Err(error) => Err(format!("no instance: {error}")),
            Ok(instance) if instance.kind != self.kind => Err(format!("its kind is {}", instance.kind)),
            Ok(instance) if file_name(&instance.id) != name => Err(format!("its id is {:?}", instance.id)),
            Ok(instance) => Ok(Some(instance)),
        })
    }

    /// Removes what a dead owner left. If that fails somebody else may do it, or the next look.
    fn sweep(&self, name: &str) {
        let swept = || -> Result<(), DiskError> {
            let guard = disk::open_lock(&self.path.join("guard"))?;
            let lock = self.file(name, "lock");
            if guard.try_lock().is_ok() && lock.exists() && !is_held(&lock)? {
                self.clear(name)?;
                tracing::debug!(kind = %self.kind, name, "an instance was gone without a word");
            }
            Ok(())
        };
        if let Err(error) = swept() {
            tracing::debug!(error = &error as &dyn std::error::Error, "a dead instance is not swept");
        }
    }

    /// Under the guard: nobody else claims anything meanwhile, only readers may hold the lock for a moment.
    fn claim(&self, id: &str, name: &str) -> Result<Claim, RegistryError> {
        let path = self.file(name, "lock");
        let mut lock = disk::open_lock(&path)?;
        if is_held(&path)? {
            let held = Held { kind: self.kind, id: id.to_owned(), owner: owner(&mut lock) };
            return Err(RegistryError::Refused(held.into()));
        }
        // What a dead owner wrote is not taken for ours.
        disk::remove(&self.file(name, "json"))?;
        disk::lock(&lock, &path, READERS_DEADLINE)?;
        lock.set_len(0)
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|source| DiskError::new("write", &path, source))?;
        Ok(Claim { _lock: lock })
    }

    /// The lock file goes last: a file without it is taken for somebody's mistake.
    fn clear(&self, name: &str) -> Result<(), DiskError> {
        disk::remove(&self.file(name, "json"))?;
        disk::remove(&self.file(name, "tmp"))?;
        disk::remove(&self.file(name, "lock"))
    }

    fn guard(&self) -> Result<File, DiskError> {
        disk::guard(&self.path.join("guard"))
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.path.join(format!("{name}.{extension}"))
    }

    fn name(&self, id: &str) -> Result<String, RegistryError> {
        let name = file_name(id);
        match name.len() {
            0 => Err(self.unsuitable(id, "an id has at least one character".to_owned())),
            1..=MAX_NAME => Ok(name),
            _ => Err(self.unsuitable(id, format!("its id takes more than {MAX_NAME} bytes as a file name"))),
        }
    }

    fn unsuitable(&self, id: &str, reason: String) -> RegistryError {
        RegistryError::Unsuitable { kind: self.kind, id: id.to_owned(), reason }
    }
}

impl Complaints {
    fn is_new(&self, path: &Path, wrong: &mut BTreeSet<String>) -> bool {
        let name = path.to_string_lossy().into_owned();
        let is_new = !self.known.contains(&name);
        wrong.insert(name);
        is_new
    }
}

/// Instances are found by their lock files; one without is nobody's.
fn look_for_owner(json: &Path) -> Looked {
    match json.with_extension("lock").exists() || !json.exists() {
        true => Ok(None),
        false => Err("no owner: its lock file is missing".to_owned()),
    }
}

/// Whether somebody has the exclusive lock; readers that ask the same do not disturb each other.
fn is_held(path: &Path) -> Result<bool, DiskError> {
    let failed = |source| DiskError::new("open", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn owner(lock: &mut File) -> String {
    let mut pid = String::new();
    // Where locks are mandatory nobody but the owner reads the file.
    match lock.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.is_empty() => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

/// An id as a file name: what is no ASCII letter, digit, `_`, `.` or `-` is `%` and two hex digits per byte.
fn file_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_plain_file_names() {
        assert_eq!(file_name("Node_1.a-b"), "Node_1.a-b");
        assert_eq!(file_name("../n 1%/上"), "..%2Fn%201%25%2F%E4%B8%8A");
        assert_eq!(file_name("a\0b"), "a%00b");
    }

    #[test]
    fn a_complaint_is_new_until_the_file_was_right_again() {
        let path = Path::new("n1.lock");
        let mut complaints = Complaints::default();
        let mut look = |is_wrong: bool| {
            let mut wrong = BTreeSet::new();
            let is_new = is_wrong && complaints.is_new(path, &mut wrong);
            complaints.known = wrong;
            is_new
        };
        assert_eq!([true, true, false, true].map(&mut look), [true, false, false, true]);
    }
}
