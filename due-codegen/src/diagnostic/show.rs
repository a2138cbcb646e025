//! Findings as text: the compact form of build scripts, and what miette needs for the graphical one.

use std::fmt;

use miette::{SourceCode, SourceSpan};

use super::{Diagnostic, Label, Severity};

/// `file:line:column: error: message`, and the rest below it.
pub(super) struct Compact<'a>(pub(super) &'a Diagnostic);

impl fmt::Display for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, rule, message, help, .. } = self.0;
        let rule = rule.map(|rule| format!("[{rule}]")).unwrap_or_default();
        for (i, label) in self.0.labels().enumerate() {
            if i == 0 {
                write!(f, "{}: {}{rule}: {message}", label.at(), severity.word())?;
            } else {
                write!(f, "\n  {}: {}", label.at(), label.text)?;
            }
            label.fmt_line(f)?;
        }
        if self.0.labels.is_empty() {
            write!(f, "{}{rule}: {message}", severity.word())?;
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
        let source = self.source.masked();
        let text = &source[line.clone()];
        if text.trim().is_empty() {
            return Ok(());
        }
        let (number, _) = self.source.position(self.span.start);
        let before = &source[line.start..self.span.start];
        let marked = &source[self.span.start..self.span.end.clamp(self.span.start, line.end)];
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

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.rule.map(|rule| Box::new(rule) as Box<dyn fmt::Display>)
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
