use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{ConfigEntry, ConfigError, ConfigName, ConfigSource, ConfigText, ConfigVersion, check, check_twin};
use crate::future::BoxFuture;
use crate::registry;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of the longest answer: all texts, in base64.
const LONGEST: usize = 32 << 20;

/// Texts in the key-value store of consul, where due v2.5.8 keeps them: `config/NAME`. A version is consul's ModifyIndex.
///
/// Keys below the path that are no [`ConfigName`] are somebody else's. Every call fails after three seconds with
/// [`ConfigError::Unreachable`] while the agent is away; a text that was being stored then may be there or not.
#[derive(Clone)]
pub struct ConsulConfig {
    addr: String,
    path: String,
    token: Option<String>,
    is_writable: bool,
    /// Why there is none is the answer to every call.
    client: Arc<OnceLock<Result<Client, String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    key: String,
    /// In base64; null for an empty value, absent in the answer to a change.
    #[serde(default)]
    value: Option<String>,
    modify_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    results: [Change; 1],
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "KV")]
    pair: Pair,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no client: {0}")]
    Client(String),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("consul says {0}")]
    Status(StatusCode),
    #[error("the answer has more than {LONGEST} bytes")]
    Long,
    #[error("the answer is not consul's")]
    Json(#[from] serde_json::Error),
    #[error("the value of {0} is no text in base64")]
    Value(String),
}

impl ConsulConfig {
    /// Reads below `config` of the agent at `host:port`, and writes nothing.
    #[must_use]
    pub fn new(addr: impl Into<String>) -> Self {
        Self { addr: addr.into(), path: "config".to_owned(), token: None, is_writable: false, client: Arc::default() }
    }

    /// What all keys begin with, without slashes at the ends. Default: `config`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into().trim_matches('/').to_owned();
        self
    }

    /// The ACL token. Default: none.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Lets texts be stored.
    #[must_use]
    pub fn writable(mut self) -> Self {
        self.is_writable = true;
        self
    }

    async fn entries(&self) -> Result<Vec<ConfigEntry>, ConfigError> {
        let prefix = format!("{}/", self.path);
        let pairs = self.pairs(&format!("{prefix}?recurse=true")).await?;
        let entry = |pair: Pair| {
            let name = pair.key.strip_prefix(&prefix)?.parse().ok()?;
            Some(ConfigEntry { name, version: ConfigVersion::new(pair.modify_index.to_string()) })
        };
        let mut entries: Vec<ConfigEntry> = pairs.into_iter().filter_map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    async fn read(&self, name: &ConfigName) -> Result<Option<ConfigText>, ConfigError> {
        let Some(pair) = self.pairs(&format!("{}/{name}", self.path)).await?.pop() else { return Ok(None) };
        let bytes = BASE64_STANDARD.decode(pair.value.unwrap_or_default()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| Trouble::Value(pair.key))?;
        Ok(Some(ConfigText { version: ConfigVersion::new(pair.modify_index.to_string()), text }))
    }

    async fn write(
        &self,
        name: &ConfigName,
        text: &str,
        expected: Option<&ConfigVersion>,
    ) -> Result<ConfigVersion, ConfigError> {
        if !self.is_writable {
            return Err(ConfigError::ReadOnly);
        }
        check(name, text)?;
        if expected.is_none() {
            check_twin(name, self.entries().await?.iter().map(|entry| &entry.name))?;
        }
        // Index 0 is that of a key which is not there; what is no number above it is no version of ours.
        let index = match expected {
            None => Some(0),
            Some(version) => version.as_str().parse::<u64>().ok().filter(|index| *index > 0),
        };
        if let Some(index) = index {
            let (key, value) = (format!("{}/{name}", self.path), BASE64_STANDARD.encode(text));
            let change = json!([{ "KV": { "Verb": "cas", "Key": key, "Value": value, "Index": index } }]);
            // What was stored is in the answer, whoever stores next.
            if let Some(answer) = self.ask(Method::PUT, "txn", Some(change.to_string())).await? {
                let Stored { results: [Change { pair }] } = serde_json::from_slice(&answer).map_err(Trouble::from)?;
                return Ok(ConfigVersion::new(pair.modify_index.to_string()));
            }
        }
        let current = self.read(name).await?.map(|text| text.version);
        Err(ConfigError::Conflict { name: name.clone(), current })
    }

    /// None where there is nothing.
    async fn pairs(&self, path: &str) -> Result<Vec<Pair>, ConfigError> {
        match self.ask(Method::GET, &format!("kv/{path}"), None).await? {
            Some(answer) => Ok(serde_json::from_slice(&answer).map_err(Trouble::from)?),
            None => Ok(Vec::new()),
        }
    }

    /// `None`: there is no such key, or it has another version.
    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Option<Vec<u8>>, Trouble> {
        let client = self.client.get_or_init(client).as_ref().map_err(|reason| Trouble::Client(reason.clone()))?;
        let mut request = client.request(method, format!("http://{}/v1/{path}", self.addr));
        if let Some(token) = &self.token {
            request = request.header("X-Consul-Token", token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(reqwest::Error::without_url)?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(None),
            status if status.is_success() => Ok(Some(whole(answer).await?)),
            status => Err(Trouble::Status(status)),
        }
    }
}

fn client() -> Result<Client, String> {
    let config = registry::tls::nobody().map_err(|error| error.to_string())?;
    let builder = Client::builder().use_preconfigured_tls(config).no_proxy().timeout(TIMEOUT);
    builder.build().map_err(|error| error.to_string())
}

async fn whole(mut answer: Response) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > LONGEST {
            return Err(Trouble::Long);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl ConfigSource for ConsulConfig {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ConfigEntry>, ConfigError>> {
        Box::pin(self.entries())
    }

    fn load<'a>(&'a self, name: &'a ConfigName) -> BoxFuture<'a, Result<Option<ConfigText>, ConfigError>> {
        Box::pin(self.read(name))
    }

    fn store<'a>(
        &'a self,
        name: &'a ConfigName,
        text: &'a str,
        expected: Option<&'a ConfigVersion>,
    ) -> BoxFuture<'a, Result<ConfigVersion, ConfigError>> {
        Box::pin(self.write(name, text, expected))
    }
}

impl From<Trouble> for ConfigError {
    fn from(error: Trouble) -> Self {
        Self::Unreachable(Box::new(error))
    }
}

/// Without the token.
impl fmt::Debug for ConsulConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsulConfig")
            .field("addr", &self.addr)
            .field("path", &self.path)
            .field("is_writable", &self.is_writable)
            .finish_non_exhaustive()
    }
}
