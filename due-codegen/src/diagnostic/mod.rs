//! What a run has to say about a schema, and the collector that lets it say everything at once.

mod plain;
mod show;
mod source;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use plain::plain;
use show::Compact;
pub(crate) use source::{Place, Source};

/// One finding. `Display` is the message alone; [`compact`](Self::compact) adds places and help, and as a
/// [`miette::Diagnostic`] it makes a graphical report.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) rule: Option<&'static str>,
    unreadable: bool,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) labels: Vec<Label>,
    pub(crate) elsewhere: Vec<Diagnostic>,
}

/// Whether the output can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is generated.
    Error,
    /// Generated all the same.
    Warning,
    /// Another place that belongs to an error or a warning.
    Note,
}

/// A marked place in a source file.
#[derive(Clone, Debug)]
pub struct Label {
    pub(crate) text: String,
    pub(crate) source: Arc<Source>,
    pub(crate) span: Range<usize>,
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// An error about input that nothing can be said of, since it cannot be had.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { unreadable: true, ..Self::error(message) }
    }

    pub(crate) fn new(severity: Severity, message: impl Into<String>) -> Self {
        let (message, labels, elsewhere) = (plain(message), Vec::new(), Vec::new());
        Self { severity, rule: None, unreadable: false, message, help: None, labels, elsewhere }
    }

    #[must_use]
    pub(crate) fn of_rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// The first label is where the finding is; later ones are other places that matter.
    #[must_use]
    pub(crate) fn at(mut self, place: &Place, text: impl Into<String>) -> Self {
        let label = Label { text: plain(text), source: Arc::clone(&place.source), span: place.span.clone() };
        match self.labels.first() {
            Some(first) if !Arc::ptr_eq(&first.source, &label.source) => {
                let mut note = Self::new(Severity::Note, label.text.clone());
                note.labels.push(label);
                self.elsewhere.push(note);
            }
            _ => self.labels.push(label),
        }
        self
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(plain(help));
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Whether it is an error because input cannot be read, and not because of what is in it.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// The rule that was broken, as `cargo due lint --explain` knows it; absent for mistakes that no schema may have.
    pub fn rule(&self) -> Option<&'static str> {
        self.rule
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line without a place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// `file:line:column: error: message`, the source line with a mark under it, other places, and help.
    pub fn compact(&self) -> impl fmt::Display {
        Compact(self)
    }

    /// All places, the finding's own first.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.labels.iter().chain(self.elsewhere.iter().flat_map(|note| &note.labels))
    }

    fn key(&self) -> (&str, usize, Severity, &str) {
        let (file, start) = self.labels.first().map_or(("", 0), |label| (label.file(), label.span.start));
        (file, start, self.severity, &self.message)
    }
}

impl Label {
    /// The file as the user named it.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// Counts from 1.
    pub fn line(&self) -> usize {
        self.source.position(self.span.start).0
    }

    /// In characters, counts from 1.
    pub fn column(&self) -> usize {
        self.source.position(self.span.start).1
    }

    /// Line of the end, which is not part of it; counts from 1.
    pub fn end_line(&self) -> usize {
        self.source.position(self.span.end).0
    }

    /// Column of the end, in characters, counts from 1.
    pub fn end_column(&self) -> usize {
        self.source.position(self.span.end).1
    }

    /// What is to be seen there; may be empty.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Collects findings; every room reports here and goes on.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn extend(&mut self, diagnostics: &Diagnostics) {
        self.diagnostics.extend(diagnostics.iter().cloned());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The findings in the order of files and lines.
    pub(crate) fn finish(mut self) -> Diagnostics {
        self.diagnostics.sort_by(|a, b| a.key().cmp(&b.key()));
        self.diagnostics.dedup_by(|a, b| a.compact().to_string() == b.compact().to_string());
        Diagnostics { all: self.diagnostics }
    }
}

/// All findings of a run, in the order of files and lines. `Display` shows every one in its compact form.
#[derive(Clone, Default)]
pub struct Diagnostics {
    pub(crate) all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(Diagnostic::is_error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.all.iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { all: vec![diagnostic] }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.all.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", diagnostic.compact())?;
        }
        Ok(())
    }
}

/// As `Display`: build scripts print errors with `{:?}`.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diagnostics {}
