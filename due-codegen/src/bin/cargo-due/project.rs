//! The `due.toml` that a verb works on.

use std::env;
use std::path::PathBuf;

use clap::Args;
use due_codegen::{Config, FILE_NAME, LOCK_NAME};

use crate::failure::Failure;
use crate::output;

/// Options of every verb that reads a schema.
#[derive(Args)]
pub(crate) struct ConfigArg {
    /// The configuration, instead of the `due.toml` in this folder or the nearest one above it.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

/// A configuration and where it was found.
pub(crate) struct Project {
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
}

impl Project {
    /// `due.lock` beside `due.toml`.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path.with_file_name(LOCK_NAME)
    }
}

impl ConfigArg {
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.config {
            return Ok(path.clone());
        }
        let here = env::current_dir().map_err(|err| Failure::new("the current folder cannot be read", err))?;
        Config::find(here).ok_or_else(|| Failure::text(format!("no {FILE_NAME} in this folder or above it")))
    }

    /// The configuration, unless none was named and there is none.
    pub(crate) fn load_if_any(&self) -> Result<Option<Project>, Failure> {
        let here = env::current_dir().map_err(|err| Failure::new("the current folder cannot be read", err))?;
        if self.config.is_none() && Config::find(here).is_none() {
            return Ok(None);
        }
        self.load().map(Some)
    }

    /// The configuration, with what there is to warn of shown.
    pub(crate) fn load(&self) -> Result<Project, Failure> {
        let path = self.path()?;
        let (config, warnings) = Config::load(&path)?;
        output::show(&warnings);
        Ok(Project { path, config })
    }
}
