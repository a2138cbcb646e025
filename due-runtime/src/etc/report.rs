//! What is said about a configuration, and where it was found.

use std::fmt;
use std::sync::Arc;

/// Something in the configuration that is wrong, or worth a look.
///
/// It is written as `etc/etc.toml:12: TEXT`, after `warning: ` if it is no mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    place: Place,
    is_warning: bool,
    text: String,
}

impl Finding {
    /// The file, or what else was read: `environment variable DUE_ETC_PID`.
    pub fn source(&self) -> &str {
        &self.place.source
    }

    /// The line, counted from 1; `None` where the whole is meant.
    pub fn line(&self) -> Option<usize> {
        (self.place.line > 0).then_some(self.place.line)
    }

    /// Whether servers start all the same.
    pub fn is_warning(&self) -> bool {
        self.is_warning
    }

    /// What is the matter, without the place.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, is_warning, text } = self;
        write!(f, "{place}: {}{text}", if *is_warning { "warning: " } else { "" })
    }
}

/// A configuration that cannot be used: every mistake in it, a line each.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct EtcError {
    findings: Vec<Finding>,
}

impl EtcError {
    /// One mistake.
    #[cfg(any(feature = "rsa", feature = "ecc"))]
    pub(super) fn one(place: &Place, text: String) -> Self {
        Self { findings: vec![Finding { place: place.clone(), is_warning: false, text }] }
    }

    /// Mistakes and warnings, in the order of files and lines.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for EtcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

/// Line 0 says that the whole is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    source: Arc<str>,
    line: usize,
}

impl Place {
    pub(super) fn whole(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), line: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

/// A text, and where its lines begin.
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    source: Arc<str>,
    line_ends: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(source: Arc<str>, text: &'a str) -> Self {
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { text, source, line_ends }
    }

    pub(super) fn at_line(&self, line: usize) -> Place {
        Place { source: Arc::clone(&self.source), line }
    }

    /// The place of a byte.
    pub(super) fn at(&self, offset: usize) -> Place {
        self.at_line(self.line_ends.partition_point(|end| *end < offset) + 1)
    }

    /// The place of a part of the text.
    pub(super) fn at_part(&self, part: &str) -> Place {
        self.at(part.as_ptr() as usize - self.text.as_ptr() as usize)
    }
}

/// Collects findings.
#[derive(Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.findings.push(Finding { place: place.clone(), is_warning: false, text: text.into() });
    }

    /// What was found elsewhere.
    #[cfg(any(feature = "rsa", feature = "ecc"))]
    pub(super) fn take(&mut self, error: EtcError) {
        self.findings.extend(error.findings);
    }

    pub(super) fn warning(&mut self, place: &Place, text: impl Into<String>) {
        self.findings.push(Finding { place: place.clone(), is_warning: true, text: text.into() });
    }

    /// The warnings, if there is nothing worse.
    pub(super) fn finish(mut self) -> Result<Vec<Finding>, EtcError> {
        self.findings.sort_by(|a, b| a.place.cmp(&b.place));
        match self.findings.iter().all(Finding::is_warning) {
            true => Ok(self.findings),
            false => Err(EtcError { findings: self.findings }),
        }
    }
}
