//! A folder that is there whole or not at all: made beside its place, and renamed.

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::failure::Failure;

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
    pub(crate) fn begin(self) -> Result<Project, Failure> {
        let failure = |err| Failure::new(&format!("nothing can be made in `{}`", self.parent.display()), err);
        fs::create_dir_all(&self.parent).map_err(failure)?;
        let folder = tempfile::Builder::new().prefix(".due-new-").tempdir_in(&self.parent).map_err(failure)?;
        Ok(Project { place: self, folder })
    }
}

/// A project that is being made. What fails takes it away again.
pub(crate) struct Project {
    place: Place,
    folder: TempDir,
}

impl Project {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder().join(path);
        let folder = path.parent().unwrap_or(self.folder());
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|err| Failure::new(&format!("`{}` cannot be written", path.display()), err))
    }

    /// Makes a repository, unless there is one around the project or git is not there.
    pub(crate) fn init_git(&self) -> Result<bool, Failure> {
        if self.place.parent.ancestors().any(|folder| folder.join(".git").exists()) {
            return Ok(false);
        }
        let mut git = Command::new("git");
        git.args(["init", "--quiet"]).arg(self.folder()).stdin(Stdio::null()).stdout(Stdio::null());
        // Of a repository that is worked on, by a hook for example.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            git.env_remove(variable);
        }
        match git.status() {
            Ok(status) if status.success() => Ok(true),
            Ok(status) => Err(Failure::text(format!("`git init` ended with {status}; --vcs none does without"))),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                eprintln!("there is no git: no repository is made");
                Ok(false)
            }
            Err(err) => Err(Failure::new("git cannot be run", err)),
        }
    }

    /// Puts it where it belongs.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let failure = |err| Failure::new(&format!("`{}` cannot be made", self.place.target.display()), err);
        open_to_others(self.folder.path()).map_err(failure)?;
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
