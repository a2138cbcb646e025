//! A schema that was read, for what asks about it instead of generating from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost_reflect::{FileDescriptor, MessageDescriptor, MethodDescriptor};

use crate::builder::{Builder, Error};
use crate::config::PacketOptions;
use crate::diagnostic::{Diagnostics, Place, Report, Source};
use crate::model::RouteWidth;
use crate::options::Options;
use crate::source::Sources;

/// What the `.proto` files of a project declare.
///
/// ```no_run
/// # fn main() -> Result<(), due_codegen::Error> {
/// let (config, _) = due_codegen::Config::load("due.toml")?;
/// let schema = due_codegen::Builder::from(config).schema()?;
/// for route in schema.routes() {
///     println!("{:?} {}", route.id, route.name);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Schema {
    pub(crate) sources: Sources,
    pub(crate) options: Options,
    pub(crate) packet: PacketOptions,
    pub(crate) width: RouteWidth,
    warnings: Diagnostics,
}

impl Builder {
    /// Reads the schema and checks it as [`check`](Self::check) does.
    ///
    /// # Errors
    /// [`Error::Schema`] with every mistake.
    pub fn schema(&self) -> Result<Schema, Error> {
        let mut report = Report::default();
        let (sources, width) = self.checked(&mut report);
        Schema::new(sources, (self.packet().clone(), width), report)
    }

    /// Reads a schema in which rpcs and messages may still lack their ids: what `.proto` itself forbids is a mistake,
    /// what due forbids is none yet.
    ///
    /// # Errors
    /// [`Error::Schema`] with every mistake.
    pub fn draft(&self) -> Result<Schema, Error> {
        let mut report = Report::default();
        let (sources, width) = self.read(&mut report);
        Schema::new(sources, (self.packet().clone(), width), report)
    }
}

impl Schema {
    fn new(sources: Sources, (packet, width): (PacketOptions, RouteWidth), report: Report) -> Result<Self, Error> {
        let errors = report.has_errors();
        let warnings = report.finish();
        if errors {
            return Err(Error::Schema(warnings));
        }
        let options = Options::new(&sources.pool);
        Ok(Self { sources, options, packet, width, warnings })
    }

    /// What there is to say about the schema although it can be used.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Files on disk, imports too, in the order of their import names.
    pub(crate) fn files(&self) -> Vec<FileDescriptor> {
        let mut files: Vec<FileDescriptor> =
            self.sources.pool.files().filter(|file| self.sources.path(file).is_some()).collect();
        files.sort_by(|a, b| a.name().cmp(b.name()));
        files
    }

    /// Those of the files that the configuration asks for.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = FileDescriptor> {
        self.files().into_iter().filter(|file| self.sources.inputs.contains(file.name()))
    }

    pub(crate) fn path(&self, file: &FileDescriptor) -> Option<&Path> {
        self.sources.path(file)
    }

    pub(crate) fn source(&self, file: &FileDescriptor) -> Option<&Arc<Source>> {
        self.sources.source(file)
    }

    pub(crate) fn rpc_place(&self, method: &MethodDescriptor) -> Place {
        self.sources.name_place(&method.parent_file(), method.path())
    }

    pub(crate) fn message_place(&self, message: &MessageDescriptor) -> Place {
        self.sources.name_place(&message.parent_file(), message.path())
    }
}

/// All messages of a file, nested ones after those around them, entries of maps left out.
pub(crate) fn messages(file: &FileDescriptor) -> Vec<MessageDescriptor> {
    let mut all = Vec::new();
    let mut open: Vec<MessageDescriptor> = file.messages().collect();
    open.reverse();
    while let Some(message) = open.pop() {
        let mut inner: Vec<MessageDescriptor> =
            message.child_messages().filter(|inner| !inner.is_map_entry()).collect();
        inner.reverse();
        open.extend(inner);
        all.push(message);
    }
    all
}

/// Numbers as people write lists of them: `1-3, 7`.
pub(crate) fn ranges(numbers: impl IntoIterator<Item = i32>) -> String {
    let sorted: BTreeMap<i32, ()> = numbers.into_iter().map(|number| (number, ())).collect();
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for number in sorted.into_keys() {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let text = |(first, last): (i32, i32)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    runs.into_iter().map(text).collect::<Vec<_>>().join(", ")
}
