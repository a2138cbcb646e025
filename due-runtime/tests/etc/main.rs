//! Servers out of a directory: what is found wrong in one, what the formats have in common, who goes before whom.

#[cfg(all(feature = "rsa", feature = "ecc"))]
mod crypto;
mod files;
mod findings;
#[cfg(not(feature = "kcp"))]
mod missing;
#[cfg(all(feature = "tcp", feature = "ws", feature = "link"))]
mod story;
#[cfg(any(feature = "nats", all(feature = "redis", feature = "etcd", feature = "link")))]
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use due::etc::{Etc, EtcError};
use tempfile::TempDir;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// What it says, whatever the environment of the test.
fn load(dir: &Path) -> Result<Etc, EtcError> {
    Etc::from_dir_with(dir, [])
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The error of a directory, with paths below it.
fn text(error: &EtcError, dir: &Path) -> String {
    error.to_string().replace(&format!("{}/", dir.display()), "").replace(&dir.display().to_string(), ".")
}
