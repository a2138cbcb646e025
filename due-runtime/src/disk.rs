//! Files that the processes of one machine share: replaced whole, and guarded by locks that the system takes back from
//! a process that ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who waits this long for a guard, held for a few system calls at a time, waits for a process that was stopped.
const GUARD_DEADLINE: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_micros(200);

/// Bytes of the largest file that is read or written: some 100,000 routes.
pub(crate) const MAX_FILE: usize = 4 << 20;

/// What the system said about a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub(crate) struct DiskError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DiskError {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }

    /// Whether it will be so until somebody changes the directory.
    pub(crate) fn is_refusal(&self) -> bool {
        use ErrorKind::{
            AlreadyExists, InvalidFilename, IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem,
            Unsupported,
        };
        matches!(
            self.source.kind(),
            AlreadyExists
                | InvalidFilename
                | IsADirectory
                | NotADirectory
                | PermissionDenied
                | ReadOnlyFilesystem
                | Unsupported
        )
    }
}

/// Does file work where it may block. The work is finished even if the future is dropped.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<DiskError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(DiskError::new("finish work in", Path::new("a runtime that ends"), error.into()).into()),
    }
}

pub(crate) fn create_dir(path: &Path) -> Result<(), DiskError> {
    fs::create_dir_all(path).map_err(|source| DiskError::new("create directory", path, source))
}

/// Opens a lock file, which is made where there is none.
pub(crate) fn open_lock(path: &Path) -> Result<File, DiskError> {
    let open = || File::options().read(true).write(true).create(true).truncate(false).open(path);
    let opened = match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound => {
            create_dir(parent)?;
            open()
        }
        (opened, _) => opened,
    };
    opened.map_err(|source| DiskError::new("open", path, source))
}

/// Waits for the one guard of this path. Dropping the file gives it back.
pub(crate) fn guard(path: &Path) -> Result<File, DiskError> {
    let file = open_lock(path)?;
    lock(&file, path, GUARD_DEADLINE)?;
    Ok(file)
}

/// Waits for the exclusive lock of an open file.
pub(crate) fn lock(file: &File, path: &Path, deadline: Duration) -> Result<(), DiskError> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < deadline => std::thread::sleep(LOCK_RETRY),
            Err(error) => return Err(DiskError::new("lock", path, error.into())),
        }
    }
}

/// The whole file; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let failed = |source| DiskError::new("read", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Replaces a file, so that readers see the old bytes or the new ones. One writer at a time. Nothing is synced: what is
/// written here is worth nothing after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| DiskError::new("write", path, source))
}

/// Takes a file away. One that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DiskError::new("remove", path, error)),
        _ => Ok(()),
    }
}
