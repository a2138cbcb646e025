//! What a run has to say about a schema, and the collector that lets it say everything at once.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// One finding. `Display` is the message alone; [`compact`](Self::compact) adds places and help, and as a
/// [`miette::Diagnostic`] it makes a graphical report.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    help: Option<String>,
    labels: Vec<Label>,
    elsewhere: Vec<Diagnostic>,
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
    text: String,
    source: Arc<Source>,
    span: Range<usize>,
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), help: None, labels: Vec::new(), elsewhere: Vec::new() }
    }

    /// The first label is where the finding is; later ones are other places that matter.
    #[must_use]
    pub(crate) fn at(mut self, place: &Place, text: impl Into<String>) -> Self {
        let label = Label { text: text.into(), source: Arc::clone(&place.source), span: place.span.clone() };
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
        self.help = Some(help.into());
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
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

struct Compact<'a>(&'a Diagnostic);

impl fmt::Display for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, message, help, .. } = self.0;
        for (i, label) in self.0.labels().enumerate() {
            if i == 0 {
                write!(f, "{}: {}: {message}", label.at(), severity.word())?;
            } else {
                write!(f, "\n  {}: {}", label.at(), label.text)?;
            }
            label.fmt_line(f)?;
        }
        if self.0.labels.is_empty() {
            write!(f, "{}: {message}", severity.word())?;
        }
        match help {
            Some(help) => write!(f, "\n  help: {}", help.replace('\n', "\n        ")),
            None => Ok(()),
        }
    }
}

impl Label {
    fn at(&self) -> String {
        let (line, column) = self.source.position(self.span.start);
        format!("{}:{line}:{column}", self.file())
    }

    fn fmt_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.source.line_range(self.span.start);
        let text = &self.source.text[line.clone()];
        if text.trim().is_empty() {
            return Ok(());
        }
        let (number, _) = self.source.position(self.span.start);
        let before = &self.source.text[line.start..self.span.start];
        let marked = &self.source.text[self.span.start..self.span.end.clamp(self.span.start, line.end)];
        let gutter = " ".repeat(number.to_string().len());
        // Tabs stay tabs and wide characters take two cells, so that the mark stands under what it marks.
        let pad: String = before.chars().map(|c| if c == '\t' { "\t" } else { &"  "[..cells(c)] }).collect();
        let mark = "^".repeat(marked.chars().map(cells).sum::<usize>().max(1));
        write!(f, "\n  {number} | {text}\n  {gutter} | {pad}{mark}")
    }
}

/// Terminal cells of a character: East Asian wide forms take two.
fn cells(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

impl std::error::Error for Diagnostic {}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.labels.first().map(|label| &*label.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.labels.iter().enumerate().map(|(i, label)| {
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = SourceSpan::from(label.span.clone());
            if i == 0 {
                miette::LabeledSpan::new_primary_with_span(text, span)
            } else {
                miette::LabeledSpan::new_with_span(text, span)
            }
        })))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|note| note as &dyn miette::Diagnostic)))
    }
}

/// The text of a file and the name that people know it by.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    line_starts: OnceLock<Vec<usize>>,
}

/// Some bytes of a source file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    pub(crate) span: Range<usize>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), line_starts: OnceLock::new() }
    }

    /// The byte at which each line begins.
    pub(crate) fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(breaks).collect()
        })
    }

    /// The place of `span`, moved to character boundaries inside the text.
    pub(crate) fn place(self: &Arc<Self>, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        Place { source: Arc::clone(self), span: start..end }
    }

    /// Line and column of a byte, counted from 1, the column in characters.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts().partition_point(|start| *start <= offset);
        let start = self.line_starts()[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }

    fn line_range(&self, offset: usize) -> Range<usize> {
        let start = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        let end = if self.text[start..end].ends_with('\r') { end - 1 } else { end };
        start..end.max(offset.min(self.text.len()))
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        // miette counts the column in bytes.
        let column = match contents.column() {
            0 => 0,
            _ => self.position(contents.span().offset()).1 - 1,
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            column,
            contents.line_count(),
        )))
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
    all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(Diagnostic::is_error)
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
