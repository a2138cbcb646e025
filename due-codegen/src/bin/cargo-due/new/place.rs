//! A folder that is there whole or not at all: made beside its place, and renamed.

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::failure::Failure;
use crate::unbroken::Unbroken;

/// Between two looks at git.
const GIT_PAUSE: Duration = Duration::from_millis(5);

/// Where a project is to be, and nothing is yet.
pub(crate) struct Place {
    target: PathBuf,
    parent: PathBuf,
}

impl Place {
    pub(crate) fn find(target: &Path) -> Result<Self, Failure> {
        let whole = path::absolute(target).map_err(|err| Failure::new("the current folder cannot be read", err))?;
        // A broken link is something, too.
        if fs::symlink_metadata(&whole).is_ok() {
            return Err(Failure::text(format!(
                "`{}` exists already: choose another name, or take it away first",
                target.display()
            )));
        }
        let parent = whole.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { target: whole, parent })
    }

    /// Whether Cargo would take the project for a member of a workspace around it.
    pub(crate) fn is_in_workspace(&self) -> bool {
        self.parent.ancestors().any(|folder| folder.join("Cargo.toml").is_file())
    }

    /// A folder beside the place, which is gone unless it is finished.
    pub(crate) fn begin(self, unbroken: &Unbroken) -> Result<Project<'_>, Failure> {
        let failure = |err| Failure::new(&format!("nothing can be made in `{}`", self.parent.display()), err);
        let missing = self.parent.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned);
        let above = Above(missing.collect());
        fs::create_dir_all(&self.parent).map_err(failure)?;
        let folder = tempfile::Builder::new().prefix(".due-new-").tempdir_in(&self.parent).map_err(failure)?;
        Ok(Project { place: self, folder, _above: above, unbroken })
    }
}

/// A project that is being made. What fails takes it away again, and so does who wants the program to end.
pub(crate) struct Project<'a> {
    place: Place,
    folder: TempDir,
    /// Goes after what is in it.
    _above: Above,
    unbroken: &'a Unbroken,
}

/// Folders around a project that were not there before, the inner ones first. Those that are empty in the end go.
struct Above(Vec<PathBuf>);

impl Drop for Above {
    fn drop(&mut self) {
        for folder in &self.0 {
            // It is not empty: the project is in it, or what others have put there.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// What a project is kept in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repository {
    New,
    /// There is one around it, or none is wanted.
    None,
    NoGit,
}

impl Project<'_> {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        self.go_on()?;
        let path = self.folder().join(path);
        let folder = path.parent().unwrap_or(self.folder());
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|err| Failure::new(&format!("`{}` cannot be written", path.display()), err))
    }

    /// Makes a repository, unless there is one around the project or git is not there.
    pub(crate) fn init_git(&self) -> Result<Repository, Failure> {
        if self.place.parent.ancestors().any(|folder| folder.join(".git").exists()) {
            return Ok(Repository::None);
        }
        let mut git = Command::new("git");
        git.args(["init", "--quiet"]).arg(self.folder()).stdin(Stdio::null()).stdout(Stdio::null());
        // Of a repository that is worked on, by a hook for example.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            git.env_remove(variable);
        }
        let failure = |err| Failure::new("git cannot be run", err);
        let mut running = match git.spawn() {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Repository::NoGit),
            other => other.map_err(failure)?,
        };
        loop {
            match running.try_wait().map_err(failure)? {
                Some(status) if status.success() => return Ok(Repository::New),
                Some(status) => {
                    self.go_on()?;
                    return Err(Failure::text(format!("`git init` ended with {status}; --vcs none does without")));
                }
                None => {}
            }
            if let Err(over) = self.go_on() {
                // It is gone already, or hears it.
                let _ = running.kill();
                running.wait().map_err(failure)?;
                return Err(over);
            }
            thread::sleep(GIT_PAUSE);
        }
    }

    /// Unless somebody wants the program to end.
    fn go_on(&self) -> Result<(), Failure> {
        if self.unbroken.is_to_end() { Err(Failure::text("nothing was made")) } else { Ok(()) }
    }

    /// Puts it where it belongs.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let failure = |err| Failure::new(&format!("`{}` cannot be made", self.place.target.display()), err);
        open_to_others(self.folder.path()).map_err(failure)?;
        self.go_on()?;
        // Onto an empty folder that came into being meanwhile, some systems would rename.
        if fs::symlink_metadata(&self.place.target).is_ok() {
            return Err(failure(io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(self.folder.path(), &self.place.target).map_err(failure)?;
        // It is not there any more.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Temporary folders are for their owner alone; projects are as open as everything that the owner makes.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> io::Result<()> {
    // A folder inside of it has what the mask of the process leaves.
    let permissions = fs::metadata(folder.join("src"))?.permissions();
    fs::set_permissions(folder, permissions)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}
