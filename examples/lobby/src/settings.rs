//! What a program of this kind has to know besides the keys of due: the file `lobby.toml` of the same directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;

use crate::store::{MemoryStore, RedisStore, Store};

/// Each key has a variable that goes before it: `admin.addr` is `LOBBY_ADMIN_ADDR`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where accounts and rooms are kept.
    pub store: StoreSettings,
    /// Where notices come in.
    pub admin: AdminSettings,
}

/// See [`Settings::store`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `host:port`, or a URL as `redis://user:password@host:port`. Default: none, in memory.
    pub redis: Option<String>,
}

/// See [`Settings::admin`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// Where it listens, `host:port`. Default: 127.0.0.1:8080.
    pub addr: String,
    /// What every request has to know, at least 16 bytes. Default: made at every start; an address that other machines reach
    /// needs one.
    pub token: Option<String>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { addr: "127.0.0.1:8080".to_owned(), token: None }
    }
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
        if let Some(addr) = variable("LOBBY_ADMIN_ADDR") {
            settings.admin.addr = addr;
        }
        if let Some(token) = variable("LOBBY_ADMIN_TOKEN") {
            settings.admin.token = Some(token);
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
        let nothing = |_: &str| None;
        let settings = Settings::load_with(dir.path(), nothing).unwrap();
        assert_eq!((settings.store.redis, &*settings.admin.addr), (None, "127.0.0.1:8080"));

        std::fs::write(dir.path().join("lobby.toml"), "[store]\nredis = 'a:1'\n[admin]\naddr = 'b:2'\n").unwrap();
        let settings = Settings::load_with(dir.path(), nothing).unwrap();
        assert_eq!((settings.store.redis.as_deref(), &*settings.admin.addr), (Some("a:1"), "b:2"));
        let settings = Settings::load_with(dir.path(), |name| Some(format!("of {name}"))).unwrap();
        assert_eq!(settings.store.redis.as_deref(), Some("of LOBBY_STORE_REDIS"));
        assert_eq!(settings.admin.addr, "of LOBBY_ADMIN_ADDR");
        assert_eq!(settings.admin.token.as_deref(), Some("of LOBBY_ADMIN_TOKEN"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lobby.toml"), "[admin]\nadr = 'b:2'\n").unwrap();
        let error = format!("{:#}", Settings::load_with(dir.path(), |_| None).unwrap_err());
        for part in ["lobby.toml", "line 2", "unknown field `adr`, expected `addr` or `token`"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_an_error_that_names_its_key() {
        let store = StoreSettings { redis: Some("http://localhost".to_owned()) };
        let error = Settings { store, ..Settings::default() }.open_store().unwrap_err().to_string();
        assert!(
            error.starts_with("`store.redis` of lobby.toml (or LOBBY_STORE_REDIS): \"http://localhost\""),
            "{error}"
        );
    }
}
