//! What a schema is compared with: a lock, an older folder, or what git has under a ref.

use std::fmt;
use std::path::{Path, PathBuf};

use due_codegen::{Builder, Config, FILE_NAME, LOCK_NAME, Lock};

use crate::failure::Failure;
use crate::git;
use crate::project::Project;

/// Where an older schema comes from.
pub(crate) enum Against {
    File(PathBuf),
    Folder(PathBuf),
    Ref(String),
}

impl Against {
    /// Without a name the lock beside `due.toml`.
    pub(crate) fn choose(name: Option<&str>, project: &Project) -> Result<Self, Failure> {
        let Some(name) = name else {
            let path = project.lock_path();
            if !path.exists() {
                return Err(Failure::text(format!(
                    "there is no `{}`: `cargo due lock` writes it, or --against names a ref, a folder or a lock",
                    path.display()
                )));
            }
            return Ok(Self::File(path));
        };
        let path = Path::new(name);
        Ok(if path.is_dir() {
            Self::Folder(path.to_owned())
        } else if path.exists() || path.file_name().is_some_and(|file| file == LOCK_NAME) {
            Self::File(path.to_owned())
        } else {
            Self::Ref(name.to_owned())
        })
    }

    pub(crate) fn lock(&self, project: &Project) -> Result<Lock, Failure> {
        match self {
            Self::File(path) => Ok(Lock::load(path)?),
            Self::Folder(folder) => {
                let path = folder.join(FILE_NAME);
                let builder = if path.is_file() {
                    Builder::from(Config::load(&path)?.0)
                } else {
                    Builder::from(project.config.clone()).includes([folder])
                };
                Ok(builder.draft()?.lock())
            }
            Self::Ref(name) => {
                let checkout = git::checkout(name, project)?;
                Ok(checkout.builder()?.draft()?.lock())
            }
        }
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Folder(path) => write!(f, "`{}`", path.display()),
            Self::Ref(name) => write!(f, "`{name}`"),
        }
    }
}
