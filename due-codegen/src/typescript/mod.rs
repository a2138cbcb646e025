//! TypeScript: messages as protoc-gen-es writes them, stubs over routes and pushes, and the runtime under the stubs.

mod pb;
mod runtime;
mod stubs;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use prost_reflect::FileDescriptor;

use crate::config::{PacketOptions, TypeScriptOptions};
use crate::diagnostic::Report;
use crate::model::Model;
use crate::output::{GeneratedFile, HEADER};
use crate::render::{RenderError, environment, templates};
use crate::shape::Shape;
use crate::source::Sources;
#[cfg(feature = "cli")]
pub(crate) use pb::names;
pub(crate) use stubs::StubFile;

const STUBS: &str = "typescript/due.ts.j2";
const TEMPLATES: &[(&str, &str)] =
    templates!["typescript/due.ts.j2", "typescript/defaults.ts.j2", "typescript/schema.ts.j2"];

/// Reports what only TypeScript cannot express.
pub(crate) fn check(sources: &Sources, model: &Model, options: &TypeScriptOptions, report: &mut Report) {
    if options.parts.stubs {
        stubs::check(sources, model, report);
    }
}

/// The TypeScript of one run: two files at most for each `.proto`, each made on its own, and the runtime.
pub(crate) struct TypeScript<'a> {
    env: Environment<'static>,
    messages: pb::Messages<'a>,
    stubs: Vec<StubFile>,
    shape: &'a Shape,
    options: &'a TypeScriptOptions,
    packet: &'a PacketOptions,
}

impl<'a> TypeScript<'a> {
    pub(crate) fn new(
        sources: &'a Sources,
        model: &Model,
        shape: &'a Shape,
        options: &'a TypeScriptOptions,
        packet: &'a PacketOptions,
    ) -> Result<Self, RenderError> {
        let mut env = environment(TEMPLATES)?;
        // The template ends the line.
        env.add_filter("jsdoc", |lines: Vec<String>, indent: &str| {
            pb::block(&lines.join("\n"), indent).trim_end().to_owned()
        });
        let messages = pb::Messages::new(sources, options.view);
        let stubs = if options.parts.stubs { stubs::files(sources, model, &messages, options) } else { Vec::new() };
        Ok(Self { env, messages, stubs, shape, options, packet })
    }

    /// The files with messages; none if they are not asked for.
    pub(crate) fn messages(&self) -> &[FileDescriptor] {
        if self.options.parts.messages { self.messages.files() } else { &[] }
    }

    /// Bytes of what it is made from.
    pub(crate) fn weight(&self, file: &FileDescriptor) -> usize {
        self.messages.sources.source(file).map_or(0, |source| source.text.len())
    }

    pub(crate) fn message_file(&self, file: &FileDescriptor) -> GeneratedFile {
        self.messages.print(file, &self.options.import_extension)
    }

    pub(crate) fn stubs(&self) -> &[StubFile] {
        &self.stubs
    }

    pub(crate) fn stub_file(&self, stubs: &StubFile) -> Result<GeneratedFile, RenderError> {
        let path = format!("{}_due.ts", pb::stem(&stubs.source));
        let source = format!("{HEADER}\n// source: {}\n", stubs.source);
        let values = Value::from(Serde(stubs));
        let text = self.env.get_template(STUBS).and_then(|template| template.render(context! { ..values }));
        let text = text.map_err(|source| RenderError::Template { template: STUBS, source })?;
        Ok(GeneratedFile::new(path, source + &text))
    }

    /// The files that are the same for all schemas, or nearly so.
    pub(crate) fn runtime(&self) -> Result<Vec<GeneratedFile>, RenderError> {
        match self.options.parts.runtime {
            true => runtime::files(&self.env, self.shape, self.options, self.packet),
            false => Ok(Vec::new()),
        }
    }
}
