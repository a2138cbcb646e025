use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ConfigEntry, ConfigError, ConfigName, ConfigSource, ConfigText, ConfigVersion, check, check_twin};
use crate::future::BoxFuture;

/// Texts in the memory of this process. Everybody may write. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryConfig {
    texts: Arc<Mutex<Texts>>,
}

#[derive(Debug, Default)]
struct Texts {
    by_name: BTreeMap<ConfigName, ConfigText>,
    writes: u64,
}

impl MemoryConfig {
    /// No texts.
    pub fn new() -> Self {
        Self::default()
    }

    fn put(
        &self,
        name: &ConfigName,
        text: &str,
        expected: Option<&ConfigVersion>,
    ) -> Result<ConfigVersion, ConfigError> {
        check(name, text)?;
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let current = texts.by_name.get(name).map(|known| &known.version);
        if current != expected {
            return Err(ConfigError::Conflict { name: name.clone(), current: current.cloned() });
        }
        check_twin(name, texts.by_name.keys())?;
        texts.writes += 1;
        let version = ConfigVersion::new(texts.writes.to_string());
        texts.by_name.insert(name.clone(), ConfigText { version: version.clone(), text: text.to_owned() });
        Ok(version)
    }
}

impl ConfigSource for MemoryConfig {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ConfigEntry>, ConfigError>> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(name, text): (&ConfigName, &ConfigText)| ConfigEntry {
            name: name.clone(),
            version: text.version.clone(),
        };
        Box::pin(ready(Ok(texts.by_name.iter().map(entry).collect())))
    }

    fn load<'a>(&'a self, name: &'a ConfigName) -> BoxFuture<'a, Result<Option<ConfigText>, ConfigError>> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(Ok(texts.by_name.get(name).cloned())))
    }

    fn store<'a>(
        &'a self,
        name: &'a ConfigName,
        text: &'a str,
        expected: Option<&'a ConfigVersion>,
    ) -> BoxFuture<'a, Result<ConfigVersion, ConfigError>> {
        Box::pin(ready(self.put(name, text, expected)))
    }
}
