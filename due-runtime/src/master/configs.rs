//! Texts of the configuration.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::endpoint::Params;
use super::refusal::Refusal;
use crate::config::{ConfigName, ConfigSource, ConfigVersion};

/// What there is to read.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConfigList {
    configs: Vec<ConfigHead>,
}

/// One text without the text.
#[derive(Serialize, JsonSchema)]
struct ConfigHead {
    name: String,
    version: String,
}

/// One text.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConfigBody {
    name: String,
    version: String,
    text: String,
}

/// What a text is to become.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigChange {
    text: String,
    /// The version that was read; absent for the first text of a name. If somebody was faster, nothing is written.
    #[serde(default)]
    version: Option<String>,
}

/// It was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConfigStored {
    name: String,
    version: String,
}

pub(super) async fn list(desk: Arc<Desk>, _: Params) -> Result<ConfigList, Refusal> {
    let entries = source(&desk)?.list().await?.into_iter();
    let configs = entries.map(|entry| ConfigHead { name: entry.name.to_string(), version: entry.version.to_string() });
    Ok(ConfigList { configs: configs.collect() })
}

pub(super) async fn load(desk: Arc<Desk>, params: Params) -> Result<ConfigBody, Refusal> {
    let source = source(&desk)?;
    let name = name(&params)?;
    match source.load(&name).await? {
        Some(found) => Ok(ConfigBody { name: name.to_string(), version: found.version.to_string(), text: found.text }),
        None => Err(Refusal::not_found(format!("no configuration {name}"))),
    }
}

pub(super) async fn store(desk: Arc<Desk>, params: Params, change: ConfigChange) -> Result<ConfigStored, Refusal> {
    let source = source(&desk)?;
    let name = name(&params)?;
    let expected = change.version.map(ConfigVersion::new);
    let version = source.store(&name, &change.text, expected.as_ref()).await?;
    tracing::info!(%name, %version, "an operator changed the configuration");
    Ok(ConfigStored { name: name.to_string(), version: version.to_string() })
}

fn source(desk: &Desk) -> Result<&dyn ConfigSource, Refusal> {
    let without = || Refusal::not_found("this master was given no configuration: MasterBuilder::config");
    desk.config.as_deref().ok_or_else(without)
}

fn name(params: &Params) -> Result<ConfigName, Refusal> {
    params.get("name").parse().map_err(Refusal::bad_request)
}
