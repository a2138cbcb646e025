use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{
    ConfigEntry, ConfigError, ConfigName, ConfigSource, ConfigText, ConfigVersion, MAX_TEXT, check, check_twin,
};
use crate::disk::{self, DiskError};
use crate::future::BoxFuture;

/// The files of one directory; those whose names are no [`ConfigName`] are somebody else's, and so are folders. A version
/// is the beginning of the SHA-256 of a text, so that a change by hand is seen as one.
///
/// A file is replaced whole and synced; processes that write at once take turns by a lock on the file `.lock`.
#[derive(Clone, Debug)]
pub struct DirConfig {
    dir: PathBuf,
    is_writable: bool,
}

impl DirConfig {
    /// Reads this directory, and writes nothing. One that is not there has no texts.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), is_writable: false }
    }

    /// Lets texts be stored.
    #[must_use]
    pub fn writable(mut self) -> Self {
        self.is_writable = true;
        self
    }

    fn names(&self) -> Result<Vec<ConfigName>, ConfigError> {
        let failed = |error| DiskError::new("list", &self.dir, error);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error).into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
            names.extend(name.filter(|_| entry.path().is_file()));
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &ConfigName) -> Result<Option<ConfigText>, ConfigError> {
        let path = self.path(name);
        if !path.is_file() {
            return Ok(None);
        }
        let Some(bytes) = disk::read(&path)? else { return Ok(None) };
        if bytes.len() > MAX_TEXT {
            return Err(ConfigError::TooLong { name: name.clone(), size: bytes.len() });
        }
        let version = version(&bytes);
        let no_text = |error| DiskError::new("read", &path, io::Error::new(io::ErrorKind::InvalidData, error));
        Ok(Some(ConfigText { version, text: String::from_utf8(bytes).map_err(no_text)? }))
    }

    fn entries(&self) -> Result<Vec<ConfigEntry>, ConfigError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            // One that is gone by now is none, and one that cannot be read does not hide the others.
            match self.read(&name) {
                Ok(text) => entries.extend(text.map(|text| ConfigEntry { name, version: text.version })),
                Err(error) => tracing::warn!(%name, error = &error as &dyn std::error::Error, "not listed"),
            }
        }
        Ok(entries)
    }

    fn write(
        &self,
        name: &ConfigName,
        text: &str,
        expected: Option<&ConfigVersion>,
    ) -> Result<ConfigVersion, ConfigError> {
        if !self.is_writable {
            return Err(ConfigError::ReadOnly);
        }
        check(name, text)?;
        let _guard = disk::guard(&self.dir.join(".lock"))?;
        let current = self.read(name)?.map(|known| known.version);
        if current.as_ref() != expected {
            return Err(ConfigError::Conflict { name: name.clone(), current });
        }
        check_twin(name, self.names()?.iter())?;
        let path = self.path(name);
        replace(&path, text.as_bytes()).map_err(|error| DiskError::new("write", &path, error))?;
        Ok(version(text.as_bytes()))
    }

    fn path(&self, name: &ConfigName) -> PathBuf {
        self.dir.join(name.as_str())
    }
}

impl ConfigSource for DirConfig {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ConfigEntry>, ConfigError>> {
        let this = self.clone();
        Box::pin(disk::blocking(move || this.entries()))
    }

    fn load<'a>(&'a self, name: &'a ConfigName) -> BoxFuture<'a, Result<Option<ConfigText>, ConfigError>> {
        let (this, name) = (self.clone(), name.clone());
        Box::pin(disk::blocking(move || this.read(&name)))
    }

    fn store<'a>(
        &'a self,
        name: &'a ConfigName,
        text: &'a str,
        expected: Option<&'a ConfigVersion>,
    ) -> BoxFuture<'a, Result<ConfigVersion, ConfigError>> {
        let (this, name, text, expected) = (self.clone(), name.clone(), text.to_owned(), expected.cloned());
        Box::pin(disk::blocking(move || this.write(&name, &text, expected.as_ref())))
    }
}

/// 64 bits: enough to tell two texts of one name apart.
fn version(bytes: &[u8]) -> ConfigVersion {
    let digest = Sha256::digest(bytes);
    ConfigVersion::new(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Readers see the old bytes or the new ones, also after a power cut. One writer at a time.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        // Only Unix opens folders.
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

impl From<DiskError> for ConfigError {
    fn from(error: DiskError) -> Self {
        Self::Unreachable(Box::new(error))
    }
}
