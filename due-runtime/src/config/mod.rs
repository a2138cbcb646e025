//! Configuration that operators change while servers run: small texts under names, with versions (feature `etc`).
//!
//! A [`ConfigSource`] keeps texts as the files of [`etc`] are kept: a name ends in `toml`, `yaml`, `yml`,
//! `json` or `xml`, a text has at most 256 KiB and must be read by that format, and no two texts have names that differ in
//! the format alone. What is in a text is the game's own.
//!
//! [`MemoryConfig`] serves one process, [`DirConfig`] a directory that processes of one machine share, `ConsulConfig`
//! (feature `consul`) the key-value store of consul, as due v2.5.8 does.

#[cfg(feature = "consul")]
mod consul;
mod dir;
mod memory;

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "consul")]
pub use self::consul::ConsulConfig;
pub use self::dir::DirConfig;
pub use self::memory::MemoryConfig;
use crate::etc;
use crate::future::BoxFuture;

/// Bytes of the longest text.
pub const MAX_TEXT: usize = 256 * 1024;
/// Bytes of the longest name.
const MAX_NAME: usize = 128;

/// Where configuration is kept. Each method is atomic.
pub trait ConfigSource: Send + Sync + fmt::Debug + 'static {
    /// Names and versions, in the order of the names.
    fn list(&self) -> BoxFuture<'_, Result<Vec<ConfigEntry>, ConfigError>>;

    /// One text; `None` if there is none of that name.
    fn load<'a>(&'a self, name: &'a ConfigName) -> BoxFuture<'a, Result<Option<ConfigText>, ConfigError>>;

    /// Replaces the text that has the version `expected`, or writes the first one of that name if that is `None`. Says the
    /// new version.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] if somebody was faster, and nothing is written.
    fn store<'a>(
        &'a self,
        name: &'a ConfigName,
        text: &'a str,
        expected: Option<&'a ConfigVersion>,
    ) -> BoxFuture<'a, Result<ConfigVersion, ConfigError>>;
}

/// A name that every source can keep: letters, digits, `.`, `_` and `-`, at most 128, the first one a letter or a digit, and
/// an extension that names the format. It cannot lead out of a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigName(String);

impl ConfigName {
    /// With its extension.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its extension: what a key begins with.
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(stem, _)| stem)
    }

    fn extension(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

impl FromStr for ConfigName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let stem = name.rsplit_once('.').filter(|(_, extension)| etc::knows_extension(extension));
        let fits = name.len() <= MAX_NAME && name.bytes().all(is_fit) && !name.contains("..");
        match stem {
            Some((stem, _)) if fits && stem.starts_with(|first: char| first.is_ascii_alphanumeric()) => {
                Ok(Self(name.to_owned()))
            }
            _ => Err(BadName(name.chars().take(MAX_NAME).collect())),
        }
    }
}

impl fmt::Display for ConfigName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No name for a text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no name of a configuration: at most 128 letters, digits, `.`, `_` and `-` that begin with a letter or a digit \
     and end in .toml, .yaml, .yml, .json or .xml"
)]
pub struct BadName(String);

/// What a text is compared by. Equal versions of one name mean equal texts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConfigVersion(String);

impl ConfigVersion {
    /// As a source wrote it.
    pub fn new(version: impl Into<String>) -> Self {
        Self(version.into())
    }

    /// For a source to compare.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One text without the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigEntry {
    /// Its name.
    pub name: ConfigName,
    /// Its version now.
    pub version: ConfigVersion,
}

/// One text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigText {
    /// The version that it has.
    pub version: ConfigVersion,
    /// What it says.
    pub text: String,
}

/// Why a source did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody was to write; see [`DirConfig::writable`].
    #[error("the configuration is read-only")]
    ReadOnly,
    /// The text is not the one that was read, or there is one where none was expected: load it again.
    #[error("{name} was changed meanwhile")]
    Conflict {
        /// Which.
        name: ConfigName,
        /// The version now; `None` if there is no such text (any more).
        current: Option<ConfigVersion>,
    },
    /// Another text differs in the format alone, so that the same keys would be in both.
    #[error("{name} cannot be kept beside {twin}, which has the same keys")]
    Twin {
        /// Which.
        name: ConfigName,
        /// The other one.
        twin: ConfigName,
    },
    /// The format cannot read it. Every mistake has a line.
    #[error("{0}")]
    Malformed(etc::EtcError),
    /// More than [`MAX_TEXT`] bytes.
    #[error("{name} has {size} bytes, at most {MAX_TEXT} are allowed")]
    TooLong {
        /// Which.
        name: ConfigName,
        /// In bytes.
        size: usize,
    },
    /// The place where it is kept does not answer, or refuses.
    #[error("the configuration cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What every source asks before it stores.
fn check(name: &ConfigName, text: &str) -> Result<(), ConfigError> {
    if text.len() > MAX_TEXT {
        return Err(ConfigError::TooLong { name: name.clone(), size: text.len() });
    }
    etc::check_syntax(name.as_str(), name.extension(), text).map_err(ConfigError::Malformed)
}

/// The name among `others` that has the same keys as `name`.
fn check_twin<'a>(name: &ConfigName, mut others: impl Iterator<Item = &'a ConfigName>) -> Result<(), ConfigError> {
    match others.find(|other| *other != name && other.stem() == name.stem()) {
        Some(twin) => Err(ConfigError::Twin { name: name.clone(), twin: twin.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else_and_say_their_format() {
        for good in ["a.toml", "etc.network.yaml", "shop-2_b.json", "1.xml", "A.yml"] {
            assert_eq!(good.parse::<ConfigName>().unwrap().as_str(), good);
        }
        let long = format!("{}.toml", "a".repeat(MAX_NAME));
        for bad in [
            "",
            "a",
            ".toml",
            "a.txt",
            "a.TOML",
            "../a.toml",
            "a/b.toml",
            "a\\b.toml",
            "a..toml",
            "/a.toml",
            ".a.toml",
            "-a.toml",
            "a b.toml",
            "a\0.toml",
            "ä.toml",
            "C:a.toml",
            "a%2f.toml",
            &long,
        ] {
            assert!(bad.parse::<ConfigName>().is_err(), "{bad:?}");
        }
    }
}
