//! How long `--listen` listens.

use std::str::FromStr;
use std::time::Duration;

use crate::live::span;

/// The value of `--listen`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Listen(Until);

/// When it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Until {
    Interrupted,
    After(Duration),
    Count(u64),
}

impl Listen {
    pub(super) fn until(self) -> Until {
        self.0
    }
}

impl FromStr for Listen {
    type Err = String;

    /// A number is a count, a number with a unit is a span.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Until::Interrupted));
        }
        if let Ok(count) = text.parse() {
            return Ok(Self(Until::Count(count)));
        }
        span::parse(text)
            .map(|span| Self(Until::After(span)))
            .map_err(|_| format!("`{text}` is neither a span like 5s nor a count like 3"))
    }
}
