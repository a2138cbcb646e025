//! Paths in, a checked descriptor pool with comments and positions out. protox does the parsing.

mod findings;
mod link;
mod load;
mod locations;
mod mend;
pub(crate) mod roots;
pub(crate) mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost_reflect::{DescriptorPool, FileDescriptor};

use crate::diagnostic::{Place, Source};
use crate::model::{Doc, Position};

pub(crate) use load::load;
use locations::Locations;

/// Import name of the file that this crate carries.
pub(crate) const OPTIONS_PROTO: &str = "due/options.proto";

/// Field of the options messages that holds what is not resolved yet.
const UNINTERPRETED: i32 = 999;

/// Begins a comment that hides findings of `cargo due lint`; it is no documentation.
pub(crate) const IGNORE: &str = "due:lint-ignore";

/// Every file of a run that could be read and understood.
#[derive(Debug)]
pub(crate) struct Sources {
    /// All files, imports too.
    pub(crate) pool: DescriptorPool,
    /// Import names of the files that were asked for, not only imported.
    pub(crate) inputs: BTreeSet<String>,
    files: BTreeMap<String, SourceFile>,
}

#[derive(Debug)]
struct SourceFile {
    source: Arc<Source>,
    /// Absent for files that this crate or protox carries.
    path: Option<PathBuf>,
    locations: Locations,
    /// How many of its imports are in the source. Those behind them come through public imports.
    imports: usize,
    mended: BTreeSet<Vec<i32>>,
}

impl Sources {
    /// Files on disk that the run has read: what a build script must watch.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.values().filter_map(|file| file.path.as_ref())
    }

    /// Import names of the same files, and their texts.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&String, &Arc<Source>)> {
        self.files.iter().filter(|(_, file)| file.path.is_some()).map(|(name, file)| (name, &file.source))
    }

    /// The file on disk; absent for files that this crate or protox carries.
    pub(crate) fn path(&self, file: &FileDescriptor) -> Option<&Path> {
        self.files.get(file.name())?.path.as_deref()
    }

    /// The text of a file.
    pub(crate) fn source(&self, file: &FileDescriptor) -> Option<&Arc<Source>> {
        Some(&self.files.get(file.name())?.source)
    }

    /// Everything of a file that has a position.
    pub(crate) fn spans(&self, file: &FileDescriptor) -> impl Iterator<Item = (&[i32], Range<usize>)> {
        self.files.get(file.name()).into_iter().flat_map(|file| file.locations.below(&[]))
    }

    /// Where the descriptor with this path is written. Without a position, the start of its file.
    pub(crate) fn place(&self, file: &FileDescriptor, path: &[i32]) -> Place {
        match self.files.get(file.name()) {
            Some(file) => file.source.place(file.locations.span(path).unwrap_or(0..0)),
            None => Arc::new(Source::new(file.name(), "")).place(0..0),
        }
    }

    /// Where the name of the message, field, service or rpc with this path is written.
    pub(crate) fn name_place(&self, file: &FileDescriptor, path: &[i32]) -> Place {
        const NAME: i32 = 1;
        let mut name = path.to_vec();
        name.push(NAME);
        match self.files.get(file.name()) {
            Some(known) if known.locations.span(&name).is_some() => self.place(file, &name),
            _ => self.place(file, path),
        }
    }

    /// Where the value of `field` is written in the option `extension` of the descriptor with this path; the whole
    /// option if the field is left out; the descriptor's name if there is no option.
    pub(crate) fn option_place(&self, file: &FileDescriptor, options: &[i32], extension: i32, field: &str) -> Place {
        let Some(source) = self.source(file) else { return self.place(file, options) };
        let statements = self.option_spans(file, options, extension);
        for statement in &statements {
            let text = source.text.get(statement.clone()).unwrap_or_default();
            if let Some(value) = token::option_value(text, field) {
                return source.place(statement.start + value.start..statement.start + value.end);
            }
        }
        match statements.first() {
            Some(whole) => source.place(whole.clone()),
            None => self.name_place(file, &options[..options.len().saturating_sub(1)]),
        }
    }

    /// The statements of an option of the descriptor with this path: one, or one per field.
    pub(crate) fn option_spans(&self, file: &FileDescriptor, options: &[i32], extension: i32) -> Vec<Range<usize>> {
        let Some(known) = self.files.get(file.name()) else { return Vec::new() };
        let prefix = [options, &[extension]].concat();
        let mut spans: Vec<Range<usize>> = known.locations.below(&prefix).map(|(_, span)| span).collect();
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// How many of the imports of a file are written in it: its first ones.
    pub(crate) fn imports(&self, file: &FileDescriptor) -> usize {
        self.files.get(file.name()).map_or(0, |file| file.imports)
    }

    /// Whether the descriptor with this path has lost an option, so that nothing it lacks is worth a word.
    pub(crate) fn is_mended(&self, file: &FileDescriptor, path: &[i32]) -> bool {
        self.files.get(file.name()).is_some_and(|file| file.mended.contains(path))
    }

    /// The comment above the descriptor with this path, or else the one behind it.
    pub(crate) fn doc(&self, file: &FileDescriptor, path: &[i32]) -> Doc {
        let comment = match self.comments(file, path) {
            ["", behind] => behind,
            [above, _] => above,
        };
        let mut lines: Vec<String> = comment
            .lines()
            .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned())
            .filter(|line| !line.starts_with(IGNORE))
            .skip_while(String::is_empty)
            .collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        Doc { lines }
    }

    /// The comments above and behind the descriptor with this path; empty if there are none.
    pub(crate) fn comments(&self, file: &FileDescriptor, path: &[i32]) -> [&str; 2] {
        let known = self.files.get(file.name()).and_then(|file| file.locations.comments(path));
        known.map_or(["", ""], |found| [&found.leading, &found.trailing])
    }

    /// A place without its text, for the model.
    pub(crate) fn position(&self, file: &FileDescriptor, path: &[i32]) -> Position {
        let place = self.name_place(file, path);
        let (line, column) = place.source.position(place.span.start);
        Position { file: file.name().to_owned(), line, column }
    }
}

/// Whether a text is one that protox can parse.
pub(crate) fn parses(name: &str, text: &str) -> bool {
    protox::file::File::from_source(name, text).is_ok()
}

/// The bytes of a span of SourceCodeInfo, whose columns protox counts in bytes.
pub(crate) fn bytes(source: &Source, span: &[i32]) -> Range<usize> {
    let offset = |line: i32, column: i32| {
        let start = usize::try_from(line).ok().and_then(|line| source.line_starts().get(line));
        let offset = start.map_or(source.text.len(), |start| start + usize::try_from(column).unwrap_or(0));
        offset.min(source.text.len())
    };
    match *span {
        [line, start, end] => offset(line, start)..offset(line, end),
        [line, start, last, end] => offset(line, start)..offset(last, end),
        _ => 0..0,
    }
}
