//! What there was to warn of, kept so that it can be shown again as it was, drawn for the terminal of the day.

use std::sync::Arc;

use super::stored::{StoredFinding, StoredLabel, StoredSeverity};
use crate::diagnostic::{Diagnostic, Diagnostics, Label, Severity, Source};

/// `None` if there is one that cannot be kept: about a text that is none of the sources.
pub(super) fn store(warnings: &Diagnostics, sources: &[&Arc<Source>]) -> Option<Vec<StoredFinding>> {
    warnings.iter().map(|warning| store_one(warning, sources)).collect()
}

fn store_one(found: &Diagnostic, sources: &[&Arc<Source>]) -> Option<StoredFinding> {
    let severity = match found.severity {
        Severity::Error => return None,
        Severity::Warning => StoredSeverity::Warning,
        Severity::Note => StoredSeverity::Note,
    };
    // Rules are those of other verbs.
    if found.rule.is_some() {
        return None;
    }
    let labels = found.labels.iter().map(|label| {
        let source = sources.iter().position(|source| **source == label.source)?;
        let (start, end) = (label.span.start as u64, label.span.end as u64);
        Some(StoredLabel { source: source as u64, start, end, text: label.text.clone() })
    });
    Some(StoredFinding {
        severity: severity.into(),
        message: found.message.clone(),
        help: found.help.clone(),
        labels: labels.collect::<Option<_>>()?,
        elsewhere: found.elsewhere.iter().map(|note| store_one(note, sources)).collect::<Option<_>>()?,
    })
}

/// The same findings about the same sources. `None` if these are not the same.
pub(super) fn restore(stored: Vec<StoredFinding>, sources: &[Arc<Source>]) -> Option<Diagnostics> {
    Some(Diagnostics { all: stored.into_iter().map(|found| restore_one(found, sources)).collect::<Option<_>>()? })
}

fn restore_one(stored: StoredFinding, sources: &[Arc<Source>]) -> Option<Diagnostic> {
    let severity = match stored.severity() {
        StoredSeverity::Unknown => return None,
        StoredSeverity::Warning => Severity::Warning,
        StoredSeverity::Note => Severity::Note,
    };
    let labels = stored.labels.into_iter().map(|label| {
        let source = sources.get(usize::try_from(label.source).ok()?)?;
        let (start, end) = (usize::try_from(label.start).ok()?, usize::try_from(label.end).ok()?);
        // Both ends are where a character begins.
        source.text.get(start..end)?;
        Some(Label { text: label.text, source: Arc::clone(source), span: start..end })
    });
    let mut found = Diagnostic::new(severity, stored.message);
    found.labels = labels.collect::<Option<_>>()?;
    found.help = stored.help;
    found.elsewhere = stored.elsewhere.into_iter().map(|note| restore_one(note, sources)).collect::<Option<_>>()?;
    Some(found)
}
