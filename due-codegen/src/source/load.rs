//! From import names to parsed files: every one is parsed before any is judged, so that one run shows every mistake.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Diagnostic as _;
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{File, FileResolver, GoogleFileResolver};

use super::link::link;
use super::locations::Locations;
use super::mend;
use super::roots::Roots;
use super::token::{self, Kind};
use super::{OPTIONS_PROTO, Sources};
use crate::diagnostic::{Diagnostic, Place, Report, Source};
use crate::nearest::nearest;

/// Text of the file that a user imports as `due/options.proto`.
const OPTIONS_TEXT: &str = include_str!("../../proto/due/options.proto");
/// protobuf messages nest 64 deep at most, options hardly ever; parsers recurse.
const MOST_DEPTH: usize = 200;
/// A schema is not as long.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What can be imported without a root.
const CARRIED: &[&str] = &[
    OPTIONS_PROTO,
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];
/// After the first mistakes of a file a parser mostly reports its own confusion.
const MOST_PARSE_ERRORS: usize = 10;
/// Path of `dependency` in a file descriptor.
const DEPENDENCY: i32 = 3;

/// Reads the inputs (import names) and all they import.
pub(crate) fn load(inputs: BTreeSet<String>, roots: &Roots, report: &mut Report) -> Sources {
    warn_about_google(roots, report);
    let mut loader = Loader { roots, report, parsed: BTreeMap::new(), real: BTreeMap::new() };
    loader.parse_all(&inputs);
    let order = loader.order();
    let Loader { mut parsed, .. } = loader;
    let files = order.into_iter().filter_map(|name| Some((name.clone(), parsed.remove(&name)??)));
    link(files, inputs, report)
}

struct Loader<'a> {
    roots: &'a Roots,
    report: &'a mut Report,
    /// `None` for a file that could not be read or parsed.
    parsed: BTreeMap<String, Option<Parsed>>,
    /// Import names by the real path of the file.
    real: BTreeMap<PathBuf, String>,
}

/// A file without syntax errors.
pub(super) struct Parsed {
    pub(super) source: Arc<Source>,
    pub(super) path: Option<PathBuf>,
    /// Of its positions it has those that the pool moves.
    pub(super) descriptor: FileDescriptorProto,
    pub(super) locations: Locations,
    /// Descriptor paths of what has lost an option.
    pub(super) mended: BTreeSet<Vec<i32>>,
}

impl Loader<'_> {
    fn parse_all(&mut self, inputs: &BTreeSet<String>) {
        let mut queue: VecDeque<(String, Option<Place>)> = inputs.iter().map(|name| (name.clone(), None)).collect();
        while let Some((name, importer)) = queue.pop_front() {
            if let Some(known) = self.parsed.get(&name) {
                // Missing for this importer too, and it wants to know its line.
                if known.is_none() && importer.is_some() && self.roots.resolve(&name).is_none() {
                    self.open(&name, importer);
                }
                continue;
            }
            let parsed = self.open(&name, importer);
            if let Some(file) = &parsed {
                self.refuse_repeated_imports(file);
                let imports = file.descriptor.dependency.iter().enumerate();
                queue.extend(imports.map(|(i, import)| (import.clone(), Some(file.import_place(i)))));
            }
            self.parsed.insert(name, parsed);
        }
    }

    fn open(&mut self, name: &str, importer: Option<Place>) -> Option<Parsed> {
        if let Ok(file) = GoogleFileResolver::new().open_file(name) {
            let source = Arc::new(Source::new(name, ""));
            return Some(Parsed::new(source, None, file.into()));
        }
        let path = self.roots.resolve(name);
        if name == OPTIONS_PROTO {
            self.refuse_other_options(path.as_deref());
            return self.parse(name, None, OPTIONS_TEXT.to_owned());
        }
        let fail = |error: Diagnostic| match &importer {
            Some(place) => error.at(place, ""),
            None => error,
        };
        let Some(path) = path else {
            let what = if importer.is_some() { "import" } else { "file" };
            let error = Diagnostic::error(format!("{what} `{name}` not found"));
            self.report.push(fail(error).help(self.searched(name)));
            return None;
        };
        match read(&path) {
            Ok(_) if self.has_other_name(name, &path) => None,
            Ok(text) => self.parse(name, Some(path), text),
            Err(Unreadable::NotUtf8(source, at)) => {
                let place = Arc::new(source).place(at..at);
                self.report.push(Diagnostic::unreadable("the file is not UTF-8").at(&place, ""));
                None
            }
            Err(Unreadable::Other(problem)) => {
                self.report.push(fail(Diagnostic::unreadable(format!("`{}` {problem}", path.display()))));
                None
            }
        }
    }

    fn parse(&mut self, name: &str, path: Option<PathBuf>, text: String) -> Option<Parsed> {
        let shown = path.as_ref().map_or_else(|| name.to_owned(), |path| self.roots.shown(path));
        let source = Arc::new(Source::new(shown, text));
        if let Some(edition) = edition(&source.text) {
            self.report.push(
                Diagnostic::error("protobuf editions are not supported yet")
                    .at(&source.place(edition), "")
                    .help("write `syntax = \"proto3\";` (or \"proto2\") instead"),
            );
            return None;
        }
        if token::depth(&source.text) > MOST_DEPTH {
            let error = Diagnostic::error(format!("brackets are nested more than {MOST_DEPTH} deep"));
            self.report.push(error.at(&source.place(0..0), ""));
            return None;
        }
        match File::from_source(name, &source.text) {
            Ok(file) => Some(Parsed::new(source, path, file.into())),
            Err(err) => {
                let related = err.related().into_iter().flatten().take(MOST_PARSE_ERRORS - 1);
                for part in std::iter::once(&err as &dyn miette::Diagnostic).chain(related) {
                    let labels: Vec<_> = part.labels().into_iter().flatten().collect();
                    let help = part.help().map(|help| help.to_string());
                    let about_import = help.as_deref().is_some_and(|help| help.starts_with("imports may not"));
                    // The parser says the same of imports and groups.
                    let message = if about_import { "this is no import name".to_owned() } else { part.to_string() };
                    let mut error = Diagnostic::error(message);
                    for label in &labels {
                        let span = label.offset()..label.offset() + label.len();
                        error = error.at(&source.place(span), label.label().unwrap_or_default());
                    }
                    if labels.is_empty() {
                        let end = source.text.trim_end().len();
                        error = error.at(&source.place(end..end), "");
                    }
                    if let Some(help) = help {
                        error = error.help(help);
                    }
                    self.report.push(error);
                }
                None
            }
        }
    }

    /// Files in an order in which imports come first. Reports cycles; files on one are left out.
    fn order(&mut self) -> Vec<String> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            Open,
            Done,
        }
        let mut order = Vec::new();
        let mut states: BTreeMap<&str, State> = BTreeMap::new();
        for start in self.parsed.keys() {
            let mut stack: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((name, next)) = stack.pop() {
                let file = self.parsed.get(name).and_then(Option::as_ref);
                if next == 0 && states.insert(name, State::Open) == Some(State::Done) {
                    states.insert(name, State::Done);
                    continue;
                }
                let Some((file, import)) = file.and_then(|file| Some((file, file.descriptor.dependency.get(next)?)))
                else {
                    states.insert(name, State::Done);
                    order.push(name.to_owned());
                    continue;
                };
                stack.push((name, next + 1));
                match states.get(import.as_str()) {
                    None => stack.push((import, 0)),
                    Some(State::Done) => {}
                    Some(State::Open) => {
                        let from = stack.iter().position(|(open, _)| open == import).unwrap_or(0);
                        let mut cycle: Vec<&str> = stack[from..].iter().map(|(open, _)| *open).collect();
                        cycle.push(import);
                        let error = Diagnostic::error(format!("import cycle: {}", cycle.join(" -> ")));
                        self.report.push(error.at(&file.import_place(next), "closes the cycle"));
                    }
                }
            }
        }
        order
    }

    /// A file under two import names would define everything twice.
    fn has_other_name(&mut self, name: &str, path: &Path) -> bool {
        let Ok(real) = fs::canonicalize(path) else { return false };
        let first = self.real.entry(real).or_insert_with(|| name.to_owned());
        if first == name {
            return false;
        }
        let message = format!("`{}` is imported as `{name}` and as `{first}`", path.display());
        self.report.push(Diagnostic::error(message).help("an import root lies inside another: keep one of them"));
        true
    }

    fn refuse_repeated_imports(&mut self, file: &Parsed) {
        let mut first = BTreeMap::new();
        for (i, import) in file.descriptor.dependency.iter().enumerate() {
            if let Some(first) = first.insert(import, i) {
                self.report.push(
                    Diagnostic::error(format!("`{import}` is imported twice"))
                        .at(&file.import_place(i), "")
                        .at(&file.import_place(first), "first imported here"),
                );
            }
        }
    }

    fn searched(&self, name: &str) -> String {
        let mut roots: Vec<String> = self.roots.iter().map(|root| format!("`{}`", root.display())).collect();
        roots.push(format!("and what due-codegen carries (`{OPTIONS_PROTO}`, `google/protobuf/*.proto`)"));
        let mut help = format!("searched {}", roots.join(", "));
        let near = nearest(name, CARRIED.iter().copied()).map(str::to_owned).or_else(|| self.roots.nearest(name));
        if let Some(near) = near {
            help.push_str(&format!("\ndid you mean `{near}`?"));
        }
        help
    }

    fn refuse_other_options(&mut self, copy: Option<&Path>) {
        let Some(path) = copy else { return };
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        if read(path).is_ok_and(|text| lines(text.trim_end()) == lines(OPTIONS_TEXT.trim_end())) {
            return;
        }
        self.report.push(
            Diagnostic::error(format!(
                "`{}` is not the `{OPTIONS_PROTO}` that this due-codegen carries",
                path.display()
            ))
            .help("remove the copy: the import is found without it"),
        );
    }
}

impl Parsed {
    fn new(source: Arc<Source>, path: Option<PathBuf>, mut descriptor: FileDescriptorProto) -> Self {
        mend::place_map_values(&mut descriptor);
        mend::name_synthetic_oneofs(&mut descriptor);
        let locations = Locations::take(&mut descriptor, &source);
        Self { source, path, descriptor, locations, mended: BTreeSet::new() }
    }

    /// The descriptor with all its positions, for errors to point at.
    pub(super) fn located(&self) -> Option<FileDescriptorProto> {
        let mut descriptor = File::from_source(self.descriptor.name(), &self.source.text).ok()?.into();
        mend::place_map_values(&mut descriptor);
        mend::name_synthetic_oneofs(&mut descriptor);
        Some(descriptor)
    }

    /// The quoted name in the import statement.
    fn import_place(&self, index: usize) -> Place {
        let statement = [DEPENDENCY, i32::try_from(index).unwrap_or(i32::MAX)];
        let Some(span) = self.locations.span(&statement) else { return self.source.place(0..0) };
        let text = self.source.text.get(span.clone()).unwrap_or_default();
        let quoted = token::tokens(text).into_iter().find(|token| token.kind == Kind::Text);
        match quoted {
            Some(token) => self.source.place(span.start + token.span.start..span.start + token.span.end),
            None => self.source.place(span),
        }
    }
}

enum Unreadable {
    /// The text as far as it can be shown, and where it breaks.
    NotUtf8(Source, usize),
    /// The end of a sentence about the file.
    Other(String),
}

/// A file's text without byte order mark.
fn read(path: &Path) -> Result<String, Unreadable> {
    let unreadable = |err: std::io::Error| Unreadable::Other(format!("cannot be read: {err}"));
    let meta = fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(Unreadable::Other("is a folder".to_owned()));
    }
    if !meta.is_file() {
        // A pipe would be waited for.
        return Err(Unreadable::Other("is neither a file nor a link to one".to_owned()));
    }
    if meta.len() > MOST_BYTES {
        return Err(Unreadable::Other(format!("is larger than {} MiB", MOST_BYTES >> 20)));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|err| {
        let text = String::from_utf8_lossy(err.as_bytes()).into_owned();
        Unreadable::NotUtf8(Source::new(path.display().to_string(), text), err.utf8_error().valid_up_to())
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The file among those of google that defines a type.
pub(super) fn carried_file_of(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('.').strip_prefix("google.protobuf.")?;
    let defines = |file: &str| {
        let file = GoogleFileResolver::new().open_file(file).map(FileDescriptorProto::from);
        file.is_ok_and(|file| {
            let enums = file.enum_type.iter().map(|found| found.name());
            file.message_type.iter().map(|message| message.name()).chain(enums).any(|found| found == name)
        })
    };
    CARRIED.iter().copied().find(|file| defines(file))
}

fn edition(text: &str) -> Option<Range<usize>> {
    let mut tokens = token::tokens(text).into_iter();
    let (word, equals, value) = (tokens.next()?, tokens.next()?, tokens.next()?);
    let found = &text[word.span.clone()] == "edition" && equals.kind == Kind::Mark(b'=') && value.kind == Kind::Text;
    found.then_some(word.span.start..value.span.end)
}

fn warn_about_google(roots: &Roots, report: &mut Report) {
    for root in roots.iter() {
        let copy = root.join("google/protobuf/descriptor.proto");
        if copy.exists() {
            report.push(
                Diagnostic::warning(format!("`{}` is not used: due-codegen carries its own", copy.display()))
                    .help("remove `google/protobuf` from the import roots"),
            );
        }
    }
}
