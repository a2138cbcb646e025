//! The formats of files.

mod json;
mod toml;
mod xml;
mod yaml;

use super::report::{Report, Text};
use super::tree::Table;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Toml,
    Yaml,
    Json,
    Xml,
}

impl Format {
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }

    /// What is in a text, as far as it can be read. A text of blanks says nothing.
    pub(super) fn read(self, text: &Text<'_>, report: &mut Report) -> Table {
        if text.text.trim().is_empty() {
            return Table::default();
        }
        match self {
            Self::Toml => toml::read(text, report),
            Self::Yaml => yaml::read(text, report),
            Self::Json => json::read(text, report),
            Self::Xml => xml::read(text, report),
        }
    }
}
