//! Source texts and places in them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::plain::{is_order, masked, plain};

/// The text of a file and the name that people know it by.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    line_starts: OnceLock<Vec<usize>>,
    /// As terminals get it.
    masked: OnceLock<Option<String>>,
}

/// What was computed of it is no difference.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for Source {}

/// Some bytes of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    pub(crate) span: Range<usize>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: plain(name), text: text.into(), line_starts: OnceLock::new(), masked: OnceLock::new() }
    }

    /// The text without what would be an order to a terminal, each byte at its place.
    pub(super) fn masked(&self) -> &str {
        let masked = self.masked.get_or_init(|| self.text.contains(is_order).then(|| masked(&self.text)));
        masked.as_deref().unwrap_or(&self.text)
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

    pub(super) fn line_range(&self, offset: usize) -> Range<usize> {
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
        let contents = self.masked().read_span(span, before, after)?;
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
