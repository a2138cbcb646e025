//! `cargo due generate --watch`: again after every change, until somebody ends it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{self, Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use due_codegen::{Config, TemplateFile};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::failure::Failure;

/// Editors write in several steps: after a change it has to be quiet for so long.
const QUIET: Duration = Duration::from_millis(15);
/// But a checkout that changes without end is not waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Runs `once` now and after every change of `due.toml`, of a `.proto` below the roots, or of what has the extension of a
/// template beside or below it. What fails is shown, and the next change is waited for.
pub(crate) fn watch(config: &Path, once: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut roots = Config::default().roots;
    let mut templates = Vec::new();
    loop {
        // With mistakes in it, the roots of before will do.
        if let Ok((config, _)) = Config::load(config) {
            roots = config.roots;
            templates = config.templates.into_iter().filter_map(|options| path_of(options.template)).collect();
        }
        // Begins before anything is read, so that no change falls between the two.
        let watch = Watch::new(config, &roots, &templates)?;
        if let Err(failure) = once() {
            failure.show();
        }
        say!("watching {}; Ctrl-C ends it", watch.names.join(", "));
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
    fn new(config: &Path, roots: &[PathBuf], templates: &[PathBuf]) -> Result<Self, Failure> {
        // One slot is enough: a change that is not yet seen to stands for all that follow it.
        let (sender, changes) = sync_channel(1);
        let config_name = config.file_name().map(|name| name.to_owned());
        let known: Vec<PathBuf> = roots.iter().filter_map(|root| path::absolute(root).ok()).collect();
        let extensions: BTreeSet<OsString> =
            templates.iter().filter_map(|path| path.extension()).map(ToOwned::to_owned).collect();
        let template_names: BTreeSet<OsString> =
            templates.iter().filter_map(|path| path.file_name()).map(ToOwned::to_owned).collect();
        let matters = move |path: &Path| {
            let is_config = path.file_name().is_some_and(|name| Some(name) == config_name.as_deref());
            // What a template includes has its extension, as a rule.
            let is_template = path.file_name().is_some_and(|name| template_names.contains(name))
                || path.extension().is_some_and(|ext| extensions.contains(ext));
            is_config || is_template || path.extension().is_some_and(|ext| ext == "proto") || is_folder(path, &known)
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
        for beside in templates.iter().filter_map(|path| path.parent()).filter(|beside| beside.is_dir()) {
            // Not all that a project has below it.
            places.insert((beside, !folder.starts_with(beside) && beside != Path::new(".")));
        }
        places.insert((folder, false));
        // One place has one mode.
        let whole: BTreeSet<&Path> =
            places.iter().filter(|(_, recursive)| *recursive).map(|(place, _)| *place).collect();
        places.retain(|(place, recursive)| *recursive || !whole.contains(place));
        for (place, recursive) in places {
            let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(place, mode).map_err(failure)?;
        }
        let watched = roots.iter().chain(templates).map(PathBuf::as_path).chain([config]);
        let names = watched.map(|path| format!("`{}`", path.display()));
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

fn path_of(template: TemplateFile) -> Option<PathBuf> {
    match template {
        TemplateFile::Path(path) => Some(path),
        // This program carries the others.
        _ => None,
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
