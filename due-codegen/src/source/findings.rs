//! prost-reflect's findings as ours, with the positions put right: its columns are bytes taken for characters, and inside
//! option literals it points into a copy.

use std::sync::Arc;

use miette::Diagnostic as _;
use prost_reflect::{DescriptorError, DescriptorPool};

use super::token::{self, Kind};
use super::{OPTIONS_PROTO, load};
use crate::diagnostic::{Diagnostic, Place, Report, Source};
use crate::nearest::nearest;
use crate::options;

/// Reports what prost-reflect has to say about a file. `broken`: some of its imports are missing, and what they would
/// define is no news. `pool` holds the files before it.
pub(super) fn report_check_error(
    err: DescriptorError,
    source: &Arc<Source>,
    broken: bool,
    pool: &DescriptorPool,
    report: &mut Report,
) {
    let in_a_file = err.file().is_some();
    // The columns are bytes, but they are looked up as characters: in this mask of the text both are the same.
    let mask: String = source.text.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect();
    let err = if in_a_file { err.with_source_code(&mask) } else { err };
    for part in std::iter::once(&err as &dyn miette::Diagnostic).chain(err.related().into_iter().flatten()) {
        let mut message = part.to_string();
        let mut help = part.help().map(|help| help.to_string());
        let mut labels: Vec<_> = part.labels().into_iter().flatten().collect();
        // The finding itself first, then what it clashes with.
        labels.sort_by_key(|label| !matches!(label.label(), Some("found here" | "defined again here")));
        let place = |label: &miette::LabeledSpan| source.place(label.offset()..label.offset() + label.len());
        let mut places: Vec<(Place, &str)> =
            labels.iter().map(|label| (place(label), label.label().unwrap_or_default())).collect();
        if let (Some(inner), Some((place, _))) = (part.diagnostic_source(), places.first_mut()) {
            message = inner.to_string().replace("reached end of input", "found '}'");
            narrow(place, inner);
            help = help.or_else(|| nearest_field(&message, pool));
        }
        let consequence = broken && message.ends_with("is not defined");
        if let Some(name) = undefined(&message) {
            let carried = load::carried_file_of(&name).map(|file| format!("it is in `{file}`, which is not imported"));
            help = carried.or(help.filter(|_| !message.contains("resolves to")));
            message = format!("name '{name}' is not defined");
        }
        let unknown = |name: &&str| name.starts_with("due.") && !options::NAMES.contains(name);
        let unknown = quoted(&message).find(unknown).filter(|_| part.diagnostic_source().is_none());
        if let Some((name, near)) =
            unknown.and_then(|name| Some((name, nearest(name, options::NAMES.iter().copied())?)))
        {
            help = Some(format!("did you mean `{near}`?"));
            message = format!("option `{name}` is not defined");
        } else if consequence {
            continue;
        }
        let mut error = Diagnostic::error(&message);
        if places.is_empty() {
            error = error.at(&source.place(0..0), "");
        }
        for (i, (place, text)) in places.iter().enumerate() {
            error = error.at(place, if i == 0 { "" } else { text });
        }
        let due = quoted(&message).any(|name| name.trim_start_matches('(').starts_with("due."));
        match help {
            Some(help) => error = error.help(help),
            None if due => error = error.help(format!("`{OPTIONS_PROTO}` says which options there are")),
            None => {}
        }
        report.push(error);
    }
}

/// The name in "name 'a.B' is not defined". "'a.B' resolves to 'a.B', which is not defined" says no more than that.
fn undefined(message: &str) -> Option<String> {
    let mut names = quoted(message).filter(|_| message.ends_with("is not defined"));
    let name = names.next()?;
    let plain = message.starts_with("name ") || names.next() == Some(name);
    plain.then(|| name.to_owned())
}

/// For "field 'statefull' not found for message 'due.RouteOptions'".
fn nearest_field(message: &str, pool: &DescriptorPool) -> Option<String> {
    let mut names = quoted(message).filter(|_| message.contains("not found for message"));
    let (field, owner) = (names.next()?, pool.get_message_by_name(names.next()?)?);
    let fields: Vec<_> = owner.fields().collect();
    let near = nearest(field, fields.iter().map(|field| field.name()))?;
    Some(format!("did you mean `{near}`?"))
}

/// Errors inside an option's `{ .. }` point into a copy that is made of its tokens: the same token is the place.
fn narrow(place: &mut Place, inner: &dyn miette::Diagnostic) {
    let text = place.source.text.get(place.span.clone()).unwrap_or_default();
    let Some(open) = text.find('{') else { return };
    let start = place.span.start + open + 1;
    let inside = token::tokens(&text[open + 1..]);
    let found = match inner.labels().and_then(|mut labels| labels.next()).zip(inner.source_code()) {
        Some((label, copy)) => {
            // An empty span would be read as one character.
            let before = copy.read_span(&(0, label.offset() + 1).into(), 0, 0).ok();
            let before = before.as_ref().and_then(|text| text.data().get(..label.offset()));
            before.and_then(|text| inside.get(token::tokens(&String::from_utf8_lossy(text)).len()))
        }
        // Only the end of the copy has no place in it.
        None => inside.iter().rfind(|token| token.kind == Kind::Mark(b'}')),
    };
    if let Some(found) = found {
        place.span = start + found.span.start..start + found.span.end;
    }
}

fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split(['\'', '`']).skip(1).step_by(2)
}
