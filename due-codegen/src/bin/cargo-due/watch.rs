//! `cargo due generate --watch`: again after every change, until somebody ends it.

use std::collections::BTreeSet;
use std::path::{self, Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use due_codegen::Config;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::failure::Failure;

/// Editors write in several steps: after a change it has to be quiet for so long.
const QUIET: Duration = Duration::from_millis(15);
/// But a checkout that changes without end is not waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Runs `once` now and after every change of `due.toml` or of a `.proto` below the roots. What fails is shown, and the next
/// change is waited for.
pub(crate) fn watch(config: &Path, once: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut roots = Config::default().roots;
    loop {
        // With mistakes in it, the roots of before will do.
        if let Ok((config, _)) = Config::load(config) {
            roots = config.roots;
        }
        // Begins before anything is read, so that no change falls between the two.
        let watch = Watch::new(config, &roots)?;
        if let Err(failure) = once() {
            failure.show();
        }
        eprintln!("watching {}; Ctrl-C ends it", watch.names.join(", "));
        watch.wait()?;
    }
}

struct Watch {
    changes: Receiver<()>,
    names: Vec<String>,
    /// Watches for as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watch {
    fn new(config: &Path, roots: &[PathBuf]) -> Result<Self, Failure> {
        // One slot is enough: a change that is not yet seen to stands for all that follow it.
        let (sender, changes) = sync_channel(1);
        let config_name = config.file_name().map(|name| name.to_owned());
        let known: Vec<PathBuf> = roots.iter().filter_map(|root| path::absolute(root).ok()).collect();
        let matters = move |path: &Path| {
            let is_config = path.file_name().is_some_and(|name| Some(name) == config_name.as_deref());
            is_config || path.extension().is_some_and(|ext| ext == "proto") || is_folder(path, &known)
        };
        let mut watcher = notify::recommended_watcher(move |event| tell(&sender, &matters, event)).map_err(failure)?;
        let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut places = BTreeSet::new();
        for root in roots {
            match root.is_dir() {
                true => places.insert((root.as_path(), true)),
                // It may come into being.
                false => places.insert((root.ancestors().skip(1).find(|up| up.is_dir()).unwrap_or(folder), false)),
            };
        }
        if !places.contains(&(folder, true)) {
            places.insert((folder, false));
        }
        for (place, recursive) in places {
            let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(place, mode).map_err(failure)?;
        }
        let names = roots.iter().map(PathBuf::as_path).chain([config]).map(|path| format!("`{}`", path.display()));
        Ok(Self { changes, names: names.collect(), _watcher: watcher })
    }

    /// Until something has changed, and it is quiet again.
    fn wait(&self) -> Result<(), Failure> {
        let gone = || Failure::text("the file system is no longer watched");
        self.changes.recv().map_err(|_| gone())?;
        let first = Instant::now();
        while first.elapsed() < PATIENCE {
            match self.changes.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
        Ok(())
    }
}

fn tell(changes: &SyncSender<()>, matters: &dyn Fn(&Path) -> bool, event: notify::Result<Event>) {
    let changed = match event {
        // Our own reading is no change.
        Ok(Event { kind: EventKind::Access(_), .. }) => false,
        Ok(event) => event.paths.is_empty() || event.paths.iter().any(|path| matters(path)),
        // What was missed may have been a change.
        Err(_) => true,
    };
    if changed {
        // Full or gone: it is told already, or nobody listens.
        let _ = changes.try_send(());
    }
}

/// A folder brings or takes the files in it. Below a root of `.` there is also what compilers and git write all the time.
fn is_folder(path: &Path, roots: &[PathBuf]) -> bool {
    let whole = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let inside = roots.iter().find_map(|root| whole.strip_prefix(root).ok());
    // Elsewhere only what a root lies in is watched, and nothing below that.
    let inside = inside.or(path.file_name().map(Path::new)).unwrap_or(path);
    let foreign = inside.components().any(|part| match part {
        Component::Normal(name) => {
            name == "target" || name == "node_modules" || name.as_encoded_bytes().starts_with(b".")
        }
        _ => false,
    });
    // One that is gone cannot be asked, but has hardly an extension.
    !foreign && (path.is_dir() || (path.extension().is_none() && !path.exists()))
}

fn failure(err: notify::Error) -> Failure {
    Failure::text(format!("the file system cannot be watched: {err}"))
}
