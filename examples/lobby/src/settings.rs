//! What a program of this kind has to know besides the keys of due: the file `lobby.toml` of the same directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;

use crate::store::{MemoryStore, RedisStore, Store};

/// Each key has a variable that goes before it: `store.redis` is `LOBBY_STORE_REDIS`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where accounts and rooms are kept.
    pub store: StoreSettings,
}

/// See [`Settings::store`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `host:port`, or a URL as `redis://user:password@host:port`. Default: none, in memory.
    pub redis: Option<String>,
}

impl Settings {
    /// The file of this directory, which need not have one, and the environment.
    ///
    /// # Errors
    /// A file that cannot be read, or a key that nobody knows, with its line.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        Self::load_with(dir, |name| std::env::var(name).ok())
    }

    fn load_with(dir: &Path, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let path = dir.join("lobby.toml");
        let mut settings: Self = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| path.display().to_string())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        if let Some(addr) = variable("LOBBY_STORE_REDIS") {
            settings.store.redis = Some(addr);
        }
        Ok(settings)
    }

    /// The store of all servers of this process.
    ///
    /// # Errors
    /// An address that is none. Whether a redis is there shows when it is needed.
    pub fn open_store(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match &self.store.redis {
            None => Arc::new(MemoryStore::default()),
            Some(addr) => {
                let store = RedisStore::new(addr).with_context(|| {
                    format!("`store.redis` of lobby.toml (or LOBBY_STORE_REDIS): {addr:?} is neither host:port nor redis://..")
                })?;
                Arc::new(store)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let redis = |settings: Settings| settings.store.redis;
        assert_eq!(redis(Settings::load_with(dir.path(), |_| None).unwrap()), None);
        std::fs::write(dir.path().join("lobby.toml"), "[store]\nredis = 'a:1'\n").unwrap();
        assert_eq!(redis(Settings::load_with(dir.path(), |_| None).unwrap()).as_deref(), Some("a:1"));
        let variable = |name: &str| (name == "LOBBY_STORE_REDIS").then(|| "b:2".to_owned());
        assert_eq!(redis(Settings::load_with(dir.path(), variable).unwrap()).as_deref(), Some("b:2"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lobby.toml"), "[store]\nreddis = 'a:1'\n").unwrap();
        let error = format!("{:#}", Settings::load_with(dir.path(), |_| None).unwrap_err());
        for part in ["lobby.toml", "line 2", "unknown field `reddis`, expected `redis`"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_an_error_that_names_its_key() {
        let store = StoreSettings { redis: Some("http://localhost".to_owned()) };
        let error = Settings { store }.open_store().unwrap_err().to_string();
        assert!(
            error.starts_with("`store.redis` of lobby.toml (or LOBBY_STORE_REDIS): \"http://localhost\""),
            "{error}"
        );
    }
}
